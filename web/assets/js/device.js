// What people call the programs that they sign in with.

/** Returns what somebody would call the program that a User-Agent names. */
export function device(agent = '') {
  const browser = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']]
    .find(([mark]) => agent.includes(mark))?.[1];
  const system = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS X', 'macOS'], ['CrOS', 'ChromeOS'], ['Linux', 'Linux']]
    .find(([mark]) => agent.includes(mark))?.[1];
  return browser && system ? `${browser} on ${system}` : agent;
}
