/* A static site's data (bilens atlas --site): scripts that hand over base64 of gzipped JSON, for fetch reads no file from disk. Only the file with the
 * direction that is looked at is loaded. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const waiting = new Map();

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }
  /* What a data file calls. */
  globalThis.BILENS_DATA = (name, packed) => {
    const taker = waiting.get(name);
    if (taker) unpack(packed).then(taker.take, taker.fail);
  };
  const load = BILENS.remembering(
    name =>
      new Promise((take, fail) => {
        const script = document.createElement("script"),
          wrong = () => fail(new Error(`the site's file data/${name}.js cannot be read`));
        waiting.set(name, { take, fail: wrong });
        script.src = `data/${name}.js`;
        script.onerror = wrong;
        script.onload = () => script.remove();
        document.head.append(script);
      })
  );

  const inWords = (value, what) => {
    if (value) throw new Error(`${what} needs a running explorer: bilens serve`);
  };

  BILENS.siteSource = site => {
    const source = { server: false, contrast: site.contrast_default };
    const rows = async () => (await load("tokens")).tokens;

    async function direction(subject) {
      inWords(subject.minus.length, "a contrast of your own");
      inWords(subject.contrast && subject.contrast !== source.contrast, "another contrast");
      inWords(subject.layer !== undefined && site.atlas && subject.layer !== site.atlas.layer, "another layer");
      const row = (await rows()).find(r => r.token === subject.token || "#" + r.id === subject.token);
      if (!row) throw new Error(`'${subject.token}': no direction of this atlas`);
      const shard = await load(String(Math.floor(row.id / site.shard)).padStart(4, "0"));
      return shard.directions[row.id];
    }
    /* Only what is stored; asked for by index, or all. */
    function pick(vectors, eigs, size) {
      if (!eigs || !eigs.length) return vectors;
      return eigs.map(index => {
        const found = vectors.find(v => (v.index - index) % size === 0);
        if (!found)
          throw new Error(
            `this site holds the ${vectors.length} outermost eigenvectors of a direction; others need a running explorer: bilens serve`
          );
        return { ...found, index };
      });
    }

    source.info = async () => site;
    source.tokens = async ({ q, sort, ascending, limit, offset }) => {
      const word = (q || "").toLowerCase();
      let found = (await rows()).filter(row => row.token.toLowerCase().includes(word));
      const compare = sort === "token" ? (a, b) => (a.token < b.token ? -1 : a.token > b.token ? 1 : 0) : (a, b) => a[sort] - b[sort];
      if (sort) found.sort((a, b) => (ascending ? 1 : -1) * compare(a, b) || a.id - b.id);
      if (word)
        found = [
          ...found.filter(row => row.token.toLowerCase().startsWith(word)),
          ...found.filter(row => !row.token.toLowerCase().startsWith(word))
        ];
      return { total: found.length, tokens: found.slice(offset || 0, (offset || 0) + (limit || 50)) };
    };
    source.eigen = async (subject, { eigs, none } = {}) => {
      const found = await direction(subject);
      if (none) return found.null;
      return { ...found.eigen, vectors: pick(found.eigen.vectors, eigs, found.eigen.eigenvalues.length) };
    };
    source.scan = async (subject, { eigs, top }) => {
      const found = await direction(subject);
      const vectors = pick(found.scan.vectors, eigs, found.eigen.eigenvalues.length);
      return { ...found.scan, vectors: vectors.map(v => ({ ...v, matches: v.matches.slice(0, top || 8) })) };
    };
    source.sentence = source.excited = source.contributions = async () => inWords(true, "reading a sentence");
    return source;
  };
})();
