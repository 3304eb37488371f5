// Image files that are chosen, dropped or pasted.

/** Call `take` with each file; the page has a button "choose" and a field "file". */
export function listenForFiles(take) {
  const field = document.getElementById("file");
  document.getElementById("choose").onclick = () => field.click();
  field.onchange = () => {
    take(field.files[0]);
    field.value = ""; // the same file may be chosen again
  };
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) take(event.clipboardData.files[0]);
  });
}

/** Offer bytes for saving. */
export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
