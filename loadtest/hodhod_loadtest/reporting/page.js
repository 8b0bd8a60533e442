// Draws the figures of the language that is shown, and again when language or light change.
"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const root = document.documentElement;
  const mains = [...document.querySelectorAll("main[lang]")];
  const persian = (text) => text.replace(/(\d)\s?%/g, "$1٪").replace(/(\d)\.(?=\d)/g, "$1٫").replace(/(\d),(?=\d)/g, "$1٬")
    .replace(/\d/g, (digit) => "۰۱۲۳۴۵۶۷۸۹"[digit]);
  const kept = {
    get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* a file may not keep */ } },
  };
  let language = root.lang;

  function filled(node, colours) {
    if (typeof node === "string") {
      if (node[0] === "@") return report.texts[language][node.slice(1)] ?? node.slice(1);
      if (node[0] === "$") return colours.getPropertyValue("--" + node.slice(1)).trim();
      return node;
    }
    if (Array.isArray(node)) return node.map((one) => filled(one, colours));
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).map(([key, one]) => [key, filled(one, colours)]));
  }

  function shared(layout, element, colours) {
    const ink = colours.getPropertyValue("--soft").trim();
    const line = colours.getPropertyValue("--line").trim();
    const narrow = element.clientWidth < 520;
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, nticks: narrow ? 6 : 9,
      fixedrange: narrow, exponentformat: "none" };
    // The unit stands above its axis: beside it there is no room on a phone.
    const unit = { text: layout.yaxis.title?.text ?? "", x: 0, xref: "paper", xanchor: "left", xshift: -36,
      y: 1, yref: "paper", yanchor: "bottom", showarrow: false, font: { size: 11 } };
    const fitting = (layout.annotations ?? []).filter((word) =>
      word.share * element.clientWidth > 44 && word.x / layout.xaxis.range[1] * element.clientWidth > 70);
    return {
      ...layout, annotations: [unit, ...fitting], autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(element.closest("main")).fontFamily, size: 12, color: ink },
      margin: { l: 44, r: 10, t: 22, b: 36 }, hovermode: layout.hovermode ?? "x unified",
      hoverlabel: { bgcolor: colours.getPropertyValue("--card").trim(), bordercolor: line,
        font: { color: colours.getPropertyValue("--ink").trim() } },
      legend: { orientation: "h", x: 0, y: -0.2, yref: "paper", yanchor: "top", traceorder: "normal" },
      showlegend: element.dataset.legend !== "no", dragmode: narrow ? false : "zoom",
      xaxis: { ...axis, ...layout.xaxis, title: { standoff: 6, font: { size: 12 }, ...layout.xaxis.title } },
      yaxis: { ...axis, ...layout.yaxis, title: { text: "" } },
    };
  }

  function digits(element) {
    if (language !== "fa") return;
    for (const text of element.querySelectorAll("text")) {
      for (const node of text.childNodes.length ? [text, ...text.querySelectorAll("tspan")] : []) {
        for (const child of node.childNodes) if (child.nodeType === 3) child.data = persian(child.data);
      }
    }
  }

  function draw() {
    const colours = getComputedStyle(root);
    for (const element of document.querySelectorAll(`main[lang="${language}"] .plot`)) {
      const figure = report.figures[element.dataset.figure];
      const layout = shared(filled(figure.layout, colours), element, colours);
      const isNew = !element.data;
      Plotly.react(element, filled(figure.data, colours), layout, { displayModeBar: false, responsive: true });
      if (isNew) {
        element.on("plotly_afterplot", () => digits(element));
        element.on("plotly_hover", () => requestAnimationFrame(() => digits(element)));
      }
      digits(element);
    }
    root.dataset.drawn = language;
  }

  function speak(code) {
    language = code;
    for (const main of mains) main.hidden = main.lang !== code;
    root.lang = code;
    root.dir = code === "fa" ? "rtl" : "ltr";
    for (const element of document.querySelectorAll("[data-text]")) {
      element.textContent = report.texts[code][element.dataset.text];
    }
    document.title = report.texts[code]["page title"];
    for (const button of document.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", button.dataset.language === code);
    }
    kept.set("hodhod-language", code);
    draw();
  }

  function light(name) {
    root.dataset.light = name;
    draw();
  }

  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  addEventListener("hashchange", () => {
    const code = location.hash.slice(1, 3);
    if (code !== language && mains.some((main) => main.lang === code)) speak(code);
  });
  document.getElementById("light").addEventListener("click", () => light(root.dataset.light === "dark" ? "light" : "dark"));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => light(dark.matches ? "dark" : "light"));
  root.dataset.light = dark.matches ? "dark" : "light";
  const asked = [location.hash.slice(1, 3), kept.get("hodhod-language"), language];
  speak(asked.find((code) => mains.some((main) => main.lang === code)));
})();
