// A file of the page, or an error that names it.

export const load = async (name) => {
  const response = await fetch(name);
  if (!response.ok) throw new Error(name + ": " + response.status + " " + response.statusText);
  return response;
};
