// Stands in for the editor's API in unit tests: texts stay as they are, values are put in.
exports.l10n = {
  t: (text, ...values) => text.replace(/\{(\d)\}/g, (all, index) => String(values[Number(index)] ?? all)),
};
