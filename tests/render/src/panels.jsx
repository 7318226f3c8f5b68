// Each kind of panel, with Grafana's own component where there is one outside of Grafana's application.

import { FieldType, getDisplayProcessor, getFieldDisplayName, getFieldDisplayValues } from '@grafana/data';
import { BarGauge, BigValue, Table, TimeSeries, useTheme2 } from '@grafana/ui';

function values(panel, frames, theme, sparkline) {
  return getFieldDisplayValues({
    data: frames,
    reduceOptions: panel.options.reduceOptions,
    fieldConfig: panel.fieldConfig,
    replaceVariables: (text) => text,
    theme,
    sparkline,
    timeZone: 'browser',
  });
}

function Stat({ panel, frames, width, height }) {
  const theme = useTheme2();
  const shown = values(panel, frames, theme, panel.options.graphMode === 'area');
  const each = width / Math.max(shown.length, 1);
  return (
    <div style={{ display: 'flex' }}>
      {shown.map((value, n) => (
        <BigValue
          key={n}
          value={value.display}
          sparkline={value.sparkline}
          width={each - 4}
          height={height}
          colorMode={panel.options.colorMode}
          graphMode={panel.options.graphMode}
          justifyMode={panel.options.justifyMode}
          textMode={panel.options.textMode}
          count={shown.length}
          theme={theme}
        />
      ))}
    </div>
  );
}

function Bars({ panel, frames, width, height }) {
  const theme = useTheme2();
  const shown = values(panel, frames, theme, false);
  const highest = Math.max(...shown.map((value) => value.display.numeric), 0);
  const longest = Math.max(...shown.map((value) => value.display.title?.length ?? 0));
  const factors = {
    title: shown.find((value) => value.display.title?.length === longest)?.display.title ?? '',
    text: shown.map((value) => value.display.text).sort((a, b) => b.length - a.length)[0] ?? '',
  };
  return shown.map((value, n) => (
    <div key={n} style={{ marginBottom: 4 }}>
      <BarGauge
        value={value.display}
        field={{ ...value.field, min: 0, max: panel.fieldConfig.defaults.max ?? highest }}
        display={value.view?.getFieldDisplayProcessor(value.colIndex)}
        width={width}
        height={height / Math.max(shown.length, 1) - 4}
        orientation={panel.options.orientation}
        displayMode={panel.options.displayMode}
        showUnfilled={panel.options.showUnfilled}
        alignmentFactors={factors}
        namePlacement={panel.options.namePlacement}
        valueDisplayMode={panel.options.valueMode}
        text={panel.options.text}
        isOverflow={false}
        theme={theme}
      />
    </div>
  ));
}

function Rows({ panel, frames, width, height }) {
  const [{ displayName, desc }] = panel.options.sortBy;
  return (
    <Table
      data={frames[0]}
      width={width}
      height={height}
      initialSortBy={[{ displayName, desc }]}
      cellHeight={panel.options.cellHeight}
      columnMinWidth={80}
      resizable={false}
    />
  );
}

function Lines({ panel, frames, width, height, range }) {
  return (
    <TimeSeries
      frames={frames}
      structureRev={1}
      timeRange={range}
      timeZone="browser"
      width={width}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
    />
  );
}

/** Drawn here: Grafana's own state timeline is part of its application and of no package. */
function Timeline({ panel, frames, width, height, range }) {
  const theme = useTheme2();
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const name = Math.min(230, width / 4);
  const row = Math.min(34, (height - 20) / Math.max(frames.length, 1));
  const x = (time) => name + ((time - from) / (to - from)) * (width - name);
  return (
    <svg width={width} height={height} style={{ font: `12px ${theme.typography.fontFamily}` }}>
      {frames.map((frame, n) => {
        const [time, field] = [frame.fields[0], frame.fields.find((one) => one.type === FieldType.number)];
        const show = field.display ?? getDisplayProcessor({ field, theme });
        const spans = [];
        field.values.forEach((value, at) => {
          const last = spans.at(-1);
          const moment = time.values[at];
          if (last && last.value === value && moment - last.to <= range.step * 1500) last.to = moment;
          else spans.push({ value, from: moment, to: moment });
        });
        return (
          <g key={n} transform={`translate(0, ${n * row})`}>
            <text x={name - 8} y={row / 2 + 4} textAnchor="end" fill={theme.colors.text.primary}>
              {getFieldDisplayName(field, frame, frames)}
            </text>
            {spans.map((span, at) => {
              const shown = show(span.value);
              return (
                <g key={at}>
                  <rect x={x(span.from)} y={3} width={Math.max(x(span.to) - x(span.from), 2)} height={row - 6} fill={shown.color} opacity={0.85} />
                  {x(span.to) - x(span.from) > 90 && (
                    <text x={x(span.from) + 8} y={row / 2 + 4} fill={theme.colors.getContrastText(shown.color ?? '#000')}>
                      {shown.text}
                    </text>
                  )}
                </g>
              );
            })}
          </g>
        );
      })}
    </svg>
  );
}

export const KINDS = { stat: Stat, bargauge: Bars, table: Rows, timeseries: Lines, 'state-timeline': Timeline };
