// Asks Prometheus as Grafana's data source does, and makes data frames of its answers.

import { FieldType, toDataFrame } from '@grafana/data';

async function ask(path, parameters) {
  const answer = await (await fetch(`/prometheus${path}?${new URLSearchParams(parameters)}`)).json();
  if (answer.status !== 'success') throw new Error(`${parameters.query}: ${answer.error}`);
  return answer.data;
}

/** The values of `label_values(matching, label)`. */
export async function labelValues(query) {
  const [, matching, label] = /^label_values\((.*), (\w+)\)$/.exec(query);
  return ask(`/api/v1/label/${label}/values`, { 'match[]': matching });
}

function legend(format, labels) {
  if (format && format !== '__auto') return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');
  const { __name__, ...rest } = labels;
  const parts = Object.entries(rest).map(([key, value]) => `${key}="${value}"`);
  return parts.length ? `{${parts.join(', ')}}` : __name__ || 'Value';
}

/** One frame with a column for each label, as format "table" has it. `many` names the value by its letter. */
function table(series, refId, many) {
  const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: series.map((one) => one.value[0] * 1000) },
      ...labels.map((name) => ({ name, type: FieldType.string, values: series.map((one) => one.metric[name] ?? '') })),
      { name: many ? `Value #${refId}` : 'Value', type: FieldType.number, values: series.map((one) => Number(one.value[1])) },
    ],
  });
}

function line(one, target) {
  const points = one.values ?? [one.value];
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: points.map((point) => point[0] * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: one.metric,
        values: points.map((point) => Number(point[1])),
        config: { displayNameFromDS: legend(target.legendFormat, one.metric) },
      },
    ],
  });
}

/** The frames of one panel's targets. */
export async function frames(panel, fill, range) {
  const all = [];
  for (const target of panel.targets ?? []) {
    const query = fill(target.expr);
    if (target.instant) {
      const { result, resultType } = await ask('/api/v1/query', { query, time: range.to });
      const series = resultType === 'scalar' ? [{ metric: {}, value: result }] : result;
      if (target.format === 'table') all.push(table(series, target.refId, panel.targets.length > 1));
      else all.push(...series.map((one) => line(one, target)));
    } else {
      const { result } = await ask('/api/v1/query_range', { query, start: range.from, end: range.to, step: range.step });
      all.push(...result.map((one) => line(one, target)));
    }
  }
  return all;
}
