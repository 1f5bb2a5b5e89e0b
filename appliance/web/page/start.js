/** Load the page after its frame is painted, so that a slow phone shows it at once. */

const load = () => import("./app.js");
if (document.hidden) load(); // a hidden page paints no frame
else requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(load)));
