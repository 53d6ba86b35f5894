"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const keys = new Map([...body.rows].map((row) => [row, row.cells[column].dataset.key]));
      const known = [...keys.values()].filter((key) => key !== "");
      const numeric = known.every((key) => !Number.isNaN(Number(key)));
      const descending = head.getAttribute("aria-sort") === "ascending"
        || (numeric && head.getAttribute("aria-sort") === null);
      const sign = descending ? -1 : 1;
      const compare = (one, other) => {
        const [a, b] = [keys.get(one), keys.get(other)];
        // What is unknown stands last, whichever way the column is sorted.
        if (a === "" || b === "") return (a === "") - (b === "");
        return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
      };
      body.append(...[...body.rows].sort(compare));
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}
