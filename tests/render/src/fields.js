// What Grafana's application registers before it draws: transformations, and how field options are applied.

import {
  FieldConfigOptionsRegistry,
  applyFieldOverrides,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

standardTransformersRegistry.setInit(() =>
  ['mergeTransformer', 'organizeFieldsTransformer'].map((name) => ({
    id: standardTransformers[name].id,
    name,
    transformation: standardTransformers[name],
  })),
);

const option = (id, path, isCustom) => ({
  id,
  path,
  isCustom,
  name: id,
  settings: {},
  process: identityOverrideProcessor,
  shouldApply: () => true,
  editor: () => null,
  override: () => null,
});

const PLAIN = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'links', 'color'];
const CUSTOM = [
  'width', 'align', 'cellOptions', 'inspect', 'filterable', 'drawStyle', 'lineWidth', 'fillOpacity', 'showPoints',
  'lineInterpolation', 'spanNulls', 'axisSoftMin', 'stacking', 'thresholdsStyle', 'hideFrom',
];

const registry = new FieldConfigOptionsRegistry(() => [
  ...PLAIN.map((id) => option(id, id, false)),
  ...CUSTOM.map((id) => option(`custom.${id}`, id, true)),
]);

/** Frames as a panel draws them. */
export async function prepared(panel, frames, theme, fill) {
  const context = { interpolate: fill };
  const data = panel.transformations?.length
    ? await lastValueFrom(transformDataFrame(panel.transformations, frames, context))
    : frames;
  return applyFieldOverrides({
    data,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables: (text) => fill(text),
    theme,
    timeZone: 'browser',
  });
}
