// One dashboard on one page, laid out on Grafana's grid, without Grafana's application around it.

import { EventBusSrv, ThemeContext, createTheme, dateTime } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome, PanelContextProvider } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import 'uplot/dist/uPlot.min.css';

import { prepared } from './fields.js';
import { KINDS } from './panels.jsx';
import { frames, labelValues } from './prometheus.js';

const CONTEXT = { eventsScope: 'render', eventBus: new EventBusSrv() };
const COLUMN = 1600 / 24;
const ROW = 38;
const GAP = 8;

function filler(values) {
  const names = Object.keys(values).sort((a, b) => b.length - a.length);
  return (text) => names.reduce((t, name) => t.replaceAll(`\${${name}}`, values[name]).replaceAll(`$${name}`, values[name]), text);
}

async function variables(board, chosen) {
  const values = { __rate_interval: '60s', __interval: '15s' };
  for (const variable of board.templating.list) {
    if (variable.type === 'custom') values[variable.name] = variable.current.value;
    else if (variable.type === 'query' && variable.multi) values[variable.name] = variable.allValue;
    else if (variable.type === 'query') {
      const found = await labelValues(filler(values)(variable.query.query));
      values[variable.name] = chosen[variable.name] ?? found[0];
    }
  }
  return values;
}

function Board({ board, drawn, range, theme }) {
  const bottom = Math.max(...board.panels.map((panel) => panel.gridPos.y + panel.gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ background: theme.colors.background.canvas, width: 1600 + 2 * GAP, padding: GAP }}>
        <div style={{ font: `500 18px ${theme.typography.fontFamily}`, color: theme.colors.text.primary, padding: '4px 6px 10px' }}>
          {board.title}
          <span style={{ color: theme.colors.text.secondary, fontSize: 14, paddingLeft: 16 }}>{board.description}</span>
        </div>
        <div style={{ position: 'relative', height: bottom * ROW }}>
          {drawn.map(({ panel, data, error }) => {
            const { x, y, w, h } = panel.gridPos;
            const Kind = KINDS[panel.type];
            const style = { position: 'absolute', left: x * COLUMN, top: y * ROW, width: w * COLUMN - GAP, height: h * ROW - GAP };
            return (
              <div key={panel.id} style={style} data-panel={panel.title} data-empty={data.length === 0}>
                <PanelChrome title={panel.title} width={style.width} height={style.height} statusMessage={error}>
                  {(width, height) => (
                    <PanelContextProvider value={CONTEXT}>
                      {data.length > 0 && <Kind panel={panel} frames={data} width={width} height={height} range={range} />}
                    </PanelContextProvider>
                  )}
                </PanelChrome>
              </div>
            );
          })}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

/** Draws the dashboard; `seconds` is how far back the graphs reach. */
window.draw = async (board, seconds, chosen) => {
  await initPluginTranslations('grafana', []);
  const theme = createTheme({ colors: { mode: 'dark' } });
  const to = Math.floor(Date.now() / 1000);
  const [from, step] = [to - seconds, Math.max(Math.round(seconds / 240), 5)];
  const fill = filler(await variables(board, chosen));
  const drawn = [];
  for (const panel of board.panels) {
    try {
      drawn.push({ panel, data: await prepared(panel, await frames(panel, fill, { from, to, step }), theme, fill) });
    } catch (error) {
      console.error(`${panel.title}: ${error.stack}`);
      drawn.push({ panel, data: [], error: error.message });
    }
  }
  const range = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: 'now', to: 'now' }, step };
  createRoot(document.getElementById('root')).render(<Board board={board} drawn={drawn} range={range} theme={theme} />);
  return drawn.filter(({ data }) => data.length === 0).map(({ panel }) => panel.title);
};
