// What a search in KQL looks for in the text of lines, to be marked there.

/** Words and phrases that a search looks for in lines. */
export function searchWords(search: string): string[] {
  const tokens = search.matchAll(/([\w.@*-]+)\s*(?::|[<>]=?)|"((?:[^"\\]|\\.)*)"|[^\s():{}"<>]+/g);
  const words: string[] = [];
  let skip = false;
  for (const [token, name, quoted] of tokens) {
    if (name !== undefined) {
      skip = true;
      continue;
    }
    const word = (quoted ?? token).replace(/\\(.)/g, '$1');
    if (/^not$/i.test(token)) skip = true;
    else if (!/^(and|or)$/i.test(token)) {
      if (!skip && !word.includes('*')) words.push(word);
      skip = false;
    }
  }
  return words;
}
