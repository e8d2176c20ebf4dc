// All maps of a page are drawn on one hidden canvas, as large as the window, of which every pixel is painted for every frame of
// every map. Here it is as large as the largest map: where no GPU paints, that is what a frame takes.
const fitToMaps = (renderer) => {
  if (renderer.fitsMaps) return;
  renderer.fitsMaps = true;
  const paint = renderer.render;
  let [width, height] = [0, 0]; // of the largest map that was drawn, pixels of the screen
  renderer.render = (draw, map) => {
    width = Math.max(width, map.width);
    height = Math.max(height, map.height);
    if (renderer.canvas.width !== width || renderer.canvas.height !== height) {
      // In pixels of the page, of which the canvas takes whole ones of the screen: rounded down.
      renderer.resize(...[width, height].map((side) => (side + 0.5) / window.devicePixelRatio));
    }
    paint(draw, map);
  };
  window.addEventListener("resize", () => {
    [width, height] = [0, 0];
  });
};

