// What is ticked goes as one field, with commas between: the server takes no form of more than a thousand fields.
document.addEventListener("formdata", ({ formData }) => {
  const ids = formData.getAll("ids");
  if (ids.length > 1) formData.set("ids", ids.join(","));
});
