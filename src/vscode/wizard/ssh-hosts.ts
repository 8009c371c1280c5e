/** Names of hosts in the text of an ssh_config(5): of `Host` lines, without patterns. Options are read when connecting. */
export function hostsOf(text: string): string[] {
  const names = text.split('\n').flatMap((line) => {
    const found = /^\s*host\s*(?:=|\s)\s*(.+)$/i.exec(line.replace(/#.*/, ''));
    return found?.[1] === undefined ? [] : found[1].trim().split(/\s+/);
  });
  const plain = names.map((name) => name.replace(/^"(.*)"$/, '$1')).filter((name) => /^[A-Za-z0-9][\w.-]*$/.test(name));
  return [...new Set(plain)];
}
