// What the page can do besides being read: choose a metric, sort a table, unfold for a link and for print.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The score table holds a body for each metric and convention; one is shown.
  for (const select of all(".switch select")) {
    const section = select.closest("section");
    const show = () => {
      for (const part of all("[data-choice]", section)) part.hidden = part.dataset.choice !== select.value;
    };
    select.addEventListener("change", show);
    select.closest(".switch").hidden = false;
    show(); // a browser may have kept a choice while the page was loaded anew
  }

  // Sorting: numbers by the first one of a cell, cells without a value last; a third click restores the order.
  const number = (cell) => {
    if (cell.dataset.order !== undefined) return parseFloat(cell.dataset.order);
    if (cell.classList.contains("state") || cell.classList.contains("missing")) return NaN;
    const text = cell.textContent.trim().replace(/,(?=\d{3})/g, "").replace("\u2212", "-");
    return /^[+-]?\.?\d/.test(text) ? parseFloat(text) : NaN;
  };
  const text = (row, at) => row.cells[at].textContent.trim();

  const sort = (table, at, direction) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows];
      for (const [place, row] of rows.entries()) {
        row.dataset.place ??= place;
        if (row.classList.contains("same")) row.dataset.same = "";
        row.classList.toggle("same", direction === "none" && "same" in row.dataset);
      }
      const sign = direction === "descending" ? -1 : 1;
      const numbers = rows.some((row) => !Number.isNaN(number(row.cells[at])));
      const compare = (a, b) => {
        if (direction === "none") return a.dataset.place - b.dataset.place;
        if (!numbers) return sign * text(a, at).localeCompare(text(b, at), undefined, { numeric: true });
        const [x, y] = [number(a.cells[at]), number(b.cells[at])];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return sign * (x - y) || a.dataset.place - b.dataset.place;
      };
      body.append(...rows.sort(compare));
    }
  };

  for (const table of all(".sheet table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    const headings = [...table.tHead.rows[0].cells];
    for (const [at, heading] of headings.entries()) {
      if (!heading.textContent.trim()) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      const words = heading.classList.contains("text");
      const order = words ? ["ascending", "descending", "none"] : ["descending", "ascending", "none"];
      button.addEventListener("click", () => {
        const next = order[(order.indexOf(heading.getAttribute("aria-sort") ?? "none") + 1) % 3];
        for (const other of headings) other.removeAttribute("aria-sort");
        if (next !== "none") heading.setAttribute("aria-sort", next);
        sort(table, at, next);
      });
    }
  }

  // A link into a folded part unfolds it.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    const own = target.querySelector(":scope > details");
    if (own) own.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) unfold(); // no hashchange: the part may have been folded since
  });

  // In print nothing is folded; afterwards it is as it was.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
})();
