// Runs before the first paint: what needs JavaScript shows itself only where there is some.
document.documentElement.dataset.js = "";
