// Stands in for the editor's API in unit tests: texts stay as they are, values are put in.
exports.l10n = {
  t: (text, ...values) => text.replace(/\{(\d)\}/g, (all, index) => String(values[Number(index)] ?? all)),
};

exports.EventEmitter = class {
  #listeners = new Set();
  event = (listener) => {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  };
  fire(value) {
    for (const listener of [...this.#listeners]) listener(value);
  }
  dispose() {
    this.#listeners.clear();
  }
};

exports.workspace = { isTrusted: true, getConfiguration: () => ({ get: () => undefined }) };

exports.env = { language: 'en' };
exports.Uri = { joinPath: (base, ...path) => ({ toString: () => [base, ...path].join('/') }) };

/** Notifications that were shown. */
exports.shown = [];
/** The one item of the status bar. */
exports.statusBarItem = { show: () => undefined, hide: () => undefined, dispose: () => undefined };
exports.StatusBarAlignment = { Left: 1 };
exports.window = {
  createStatusBarItem: () => exports.statusBarItem,
  showWarningMessage: (text) => {
    exports.shown.push(text);
    return Promise.resolve(undefined);
  },
};

exports.ThemeColor = exports.ThemeIcon = class {};
