// Tells whether the page is dark: as JupyterLab says of its theme, elsewhere by what lies behind the widget. And has the maps in
// its box measured again when that changes its size: jupyter-scatter looks when the window does, and a box that has no width for
// a moment, as while JupyterLab changes its theme, would leave the map without names.
function render({ model, el }) {
  el.style.display = "none";
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
  };
  const watched = new MutationObserver(tell);
  for (const element of [document.documentElement, document.body]) watched.observe(element, { attributes: true });
  const sized = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));
  const first = requestAnimationFrame(() => { // once it stands in the page
    tell();
    if (el.parentElement) sized.observe(el.parentElement);
  });
  return () => {
    cancelAnimationFrame(first);
    watched.disconnect();
    sized.disconnect();
  };
}

export default { render };
