// Runs before the first paint, so that a chosen theme does not flash. The
// choice is "light", "dark" or none, which follows the system.
(() => {
  const root = document.documentElement;
  const modes = ['system', 'light', 'dark'];
  const chosen = () => {
    try {
      const stored = localStorage.getItem('theme');
      return modes.includes(stored) ? stored : 'system';
    } catch {
      return root.dataset.theme ?? 'system'; // storage is forbidden
    }
  };
  const apply = (mode) => {
    if (mode === 'system') delete root.dataset.theme;
    else root.dataset.theme = mode;
    for (const button of document.querySelectorAll('[data-theme-toggle]')) {
      button.textContent = `Theme: ${mode}`;
    }
  };
  apply(chosen());
  document.addEventListener('DOMContentLoaded', () => {
    apply(chosen());
    for (const button of document.querySelectorAll('[data-theme-toggle]')) {
      button.addEventListener('click', () => {
        const mode = modes[(modes.indexOf(chosen()) + 1) % modes.length];
        try { localStorage.setItem('theme', mode); } catch { /* lasts as long as the page */ }
        apply(mode);
      });
    }
  });
  addEventListener('storage', (event) => { if (event.key === 'theme') apply(chosen()); });
})();
