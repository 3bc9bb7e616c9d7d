// Sets the remembered theme before anything is drawn; without a choice the system's own theme holds.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("sayso-theme");
  } catch (error) {
    console.info("This browser remembers nothing for the page:", error.name); // storage may be forbidden
  }
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : system;
})();
