// Tells whether the page is dark: as JupyterLab says of its theme, elsewhere by what lies behind the widget. And has the maps in
// the page measured again once it has changed: jupyter-scatter looks when the window changes its size, and a map that has no
// width for a moment, as while JupyterLab changes its theme, would stay without names.
const SETTLED = [300, 1000, 3000]; // milliseconds after a change, by which the page may stand as it stays

function render({ model, el }) {
  el.style.display = "none";
  let timers = [];
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const behind = () => {
    for (let at = el; at; at = at.parentElement) {
      const [red, green, blue, opacity = 1] = parts(getComputedStyle(at).backgroundColor);
      if (opacity > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue;
    }
    return 255; // a page without a colour is white
  };
  const tell = () => {
    const said = document.body.dataset.jpThemeLight;
    const dark = said ? said === "false" : behind() < 128;
    if (model.get("dark") === dark) return;
    model.set("dark", dark);
    model.save_changes();
    timers.forEach(clearTimeout);
    timers = SETTLED.map((pause) => setTimeout(() => window.dispatchEvent(new Event("resize")), pause));
  };
  const watched = new MutationObserver(tell);
  for (const element of [document.documentElement, document.body]) watched.observe(element, { attributes: true });
  const first = setTimeout(tell); // once it stands in the page
  return () => {
    clearTimeout(first);
    watched.disconnect();
    timers.forEach(clearTimeout);
  };
}

export default { render };
