import type { FromPage, KeptState, PagePoint, PageState, PointKey, ToPage } from './protocol';

/** The page of Roll Back: native controls, so that keyboard and screen reader work as everywhere. It builds nodes, never HTML. */

interface EditorApi {
  postMessage(message: FromPage): void;
  getState(): KeptState | undefined;
  setState(state: KeptState): void;
}
declare function acquireVsCodeApi(): EditorApi;

const editor = acquireVsCodeApi();
const root = document.querySelector('main') ?? document.body;
const clusterId = document.body.dataset['cluster'] ?? '';
let kept: KeptState = editor.getState() ?? { cluster: clusterId, selected: undefined, filter: '' };
let state: PageState | undefined;

type Child = Node | string;
type Attributes = Readonly<Record<string, string | boolean>>;

function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string') made.setAttribute(name, value);
    else made.toggleAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function keep(change: Partial<KeptState>): void {
  kept = { ...kept, ...change, cluster: clusterId };
  editor.setState(kept);
}

/** The extension asks the nodes what that point would do to them. */
function choose(key: PointKey): void {
  keep({ selected: key });
  editor.postMessage({ type: 'choose', ...key });
}

function isSame(a: PointKey | undefined, b: PointKey | undefined): boolean {
  return a?.id === b?.id && a?.location === b?.location;
}

function chosen(): PagePoint | undefined {
  return state?.points.find((point) => isSame(point, kept.selected));
}

function matches(point: PagePoint): boolean {
  const text = [point.time, point.reason, point.package, point.versions, point.location, point.state, point.id].join(
    ' ',
  );
  return text.toLowerCase().includes(kept.filter.trim().toLowerCase());
}

/** Draws everything again, but keeps the field that is being typed into. */
function draw(): void {
  if (!state) return;
  const { words, cluster } = state;
  document.title = `${words.title} ${cluster}`;
  const focus = focusedKey();
  root.replaceChildren(
    el('h1', {}, `${words.title} ${cluster}`),
    el('p', {}, words.intro),
    tools(state),
    el('div', { id: 'points' }, ...pointsPart(state)),
    el('section', { id: 'details', 'aria-labelledby': 'details-title', 'aria-live': 'polite' }, ...detailsPart(state)),
  );
  if (focus !== undefined) document.getElementById(focus)?.focus();
}

function focusedKey(): string | undefined {
  const id = document.activeElement?.id;
  return id === '' ? undefined : id;
}

function tools({ words }: PageState): HTMLElement {
  const filter = el('input', { id: 'filter', type: 'search', value: kept.filter });
  filter.addEventListener('input', () => {
    keep({ filter: filter.value });
    drawPoints();
  });
  const refresh = el('button', { id: 'refresh', type: 'button', class: 'secondary' }, words.refresh);
  refresh.addEventListener('click', () => editor.postMessage({ type: 'refresh' }));
  return el('div', { class: 'tools' }, el('label', { for: 'filter' }, words.filter), filter, refresh);
}

function drawPoints(): void {
  if (state) document.getElementById('points')?.replaceChildren(...pointsPart(state));
}

function drawDetails(): void {
  if (state) document.getElementById('details')?.replaceChildren(...detailsPart(state));
}

function pointsPart(now: PageState): Child[] {
  const { words, points, errors, loading } = now;
  const shown = points.filter(matches);
  const status = loading
    ? words.loading
    : points.length === 0
      ? words.none
      : shown.length === 0
        ? words.noMatch
        : `${words.shown} ${String(shown.length)}`;
  return [
    el('p', { role: 'status' }, status),
    ...errors.map((error) => el('p', { class: 'error', role: 'alert' }, error)),
    ...(shown.length === 0 ? [] : [table(now, shown)]),
  ];
}

function table({ words }: PageState, points: readonly PagePoint[]): HTMLElement {
  const titles = [words.time, words.reason, words.package, words.versions, words.size, words.location, words.state];
  const head = el(
    'tr',
    {},
    el('th', { scope: 'col' }, el('span', { class: 'hidden' }, words.choose)),
    ...titles.map((each) => el('th', { scope: 'col' }, each)),
  );
  return el(
    'fieldset',
    {},
    el('legend', {}, words.points),
    el(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.points },
      el('table', {}, el('thead', {}, head), el('tbody', {}, ...points.map((each, index) => row(each, index)))),
    ),
  );
}

function row(point: PagePoint, index: number): HTMLElement {
  const id = `point-${String(index)}`;
  const selected = isSame(point, kept.selected);
  const radio = el('input', { type: 'radio', name: 'point', id, checked: selected });
  radio.addEventListener('change', () => {
    choose({ location: point.location, id: point.id });
    for (const each of document.querySelectorAll('tbody tr')) each.classList.remove('selected');
    radio.closest('tr')?.classList.add('selected');
    drawDetails();
  });
  const cells = [point.reason, point.package, point.versions, point.size, point.location];
  const made = el(
    'tr',
    { class: selected ? 'selected' : '' },
    el('td', {}, radio),
    el('th', { scope: 'row' }, el('label', { for: id }, point.time), el('span', { class: 'age' }, point.age)),
    ...cells.map((each) => el('td', {}, each)),
    el('td', { class: point.verified ? 'verified' : 'open' }, point.state),
  );
  made.addEventListener('click', (event) => {
    if (event.target !== radio && !(event.target instanceof HTMLLabelElement)) radio.click();
  });
  return made;
}

function detailsPart({ words }: PageState): Child[] {
  const point = chosen();
  const title = el('h2', { id: 'details-title' }, words.details);
  if (!point) return [title, el('p', {}, words.nothingChosen)];
  const verify = el('button', { id: 'verify', type: 'button', class: 'secondary' }, words.verify);
  const rollBack = el(
    'button',
    { id: 'roll-back', type: 'button', disabled: point.obstacle !== undefined },
    words.rollBack,
  );
  if (point.obstacle !== undefined) rollBack.setAttribute('aria-describedby', 'obstacle');
  const key = { location: point.location, id: point.id };
  verify.addEventListener('click', () => editor.postMessage({ type: 'verify', ...key }));
  rollBack.addEventListener('click', () => editor.postMessage({ type: 'rollBack', ...key }));
  return [
    title,
    el('p', { class: 'id' }, `${point.id} · ${point.location}`),
    nodes(words, point),
    ...(point.asking ? [el('p', { class: 'asking' }, words.asking)] : []),
    el(
      'dl',
      {},
      el('dt', {}, words.lost),
      ...point.lost.map((each) => el('dd', {}, each)),
      el('dt', {}, words.order),
      el('dd', {}, point.order),
      el('dt', {}, words.expected),
      el('dd', {}, point.expected),
    ),
    ...(point.obstacle === undefined ? [] : [el('p', { id: 'obstacle', class: 'error' }, point.obstacle)]),
    el('div', { class: 'actions' }, rollBack, verify),
  ];
}

function nodes(words: PageState['words'], point: PagePoint): HTMLElement {
  const head = [words.node, words.now, words.after, words.state].map((each) => el('th', { scope: 'col' }, each));
  const rows = point.nodes.map(({ name, now, after, state: part }) =>
    el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, now), el('td', {}, after), el('td', {}, part)),
  );
  return el('table', { class: 'nodes' }, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
}

addEventListener('message', (event: MessageEvent<ToPage>) => {
  state = event.data.state;
  if (state.preselect && !isSame(kept.selected, state.preselect)) choose(state.preselect);
  draw();
});
keep({});
editor.postMessage({ type: 'ready' });
if (kept.selected) choose(kept.selected);
