/* A static site's data (bilens atlas --site): scripts that hand over base64 of gzipped JSON, for fetch reads no file from disk. Only the
 * file with the direction that is looked at is loaded. */
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

  const refuse = (value, what) => {
    if (value) throw new Error(`${what} needs a running explorer: bilens serve`);
  };

  const LIKELIEST = 5; /* predictions at a position whose accounts are there (src/serve/site_sentence.c) */

  /* The account of a - b from that of b - a: the form changes its sign, so the spectrum is read from its other end. */
  function turned(account, top, token) {
    const rank = top.findIndex(([name]) => name === token);
    return {
      ...account,
      token,
      logit: -account.logit,
      probability: top[rank][1],
      rank: rank + 1,
      parts: account.parts.map(part => ({ ...part, value: -part.value, words: part.words && part.words.map(v => -v) })),
      mlp: {
        ...account.mlp,
        constant: -account.mlp.constant,
        rest: -account.mlp.rest,
        terms: account.mlp.terms.map(t => ({ ...t, index: account.size - 1 - t.index, eigenvalue: -t.eigenvalue, value: -t.value }))
      }
    };
  }

  BILENS.siteSource = site => {
    const source = { server: false, contrast: site.contrast_default };
    const tokens = async () => (await load("tokens")).tokens;
    /* Of a layer of the atlas, by its place there. */
    const rows = async part => (await load("directions-" + part)).tokens;
    let names = null; /* [V], by id */
    const unpacked = BILENS.remembering(async key => {
      const [part, id] = key.split(" ").map(Number),
        list = await rows(part);
      if (!names) {
        const all = [];
        for (const row of await tokens()) all[row.id] = row.token;
        names = all;
      }
      const shard = await load(`${part}-${String(Math.floor(id / site.shard)).padStart(4, "0")}`);
      const row = list.find(r => r.id === id);
      return BILENS.unpackDirection(shard.directions[id], { ...row, values: [...row.values] }, shard.stories, names, site, site.atlas.layers[part]);
    });

    const partOf = layer => {
      const part = layer === undefined ? 0 : site.atlas.layers.indexOf(layer);
      refuse(part < 0, "another layer");
      return part;
    };
    async function direction(subject) {
      refuse(subject.minus.length, "a contrast of your own");
      refuse(!subject.direction && subject.contrast && subject.contrast !== source.contrast, "another contrast");
      const part = partOf(subject.layer),
        is = subject.direction ? r => r.direction === subject.direction : r => r.token === subject.token || "#" + r.id === subject.token,
        row = (await rows(part)).find(is);
      if (!row || !Number.isFinite(row.largest)) throw new Error(`'${subject.direction || subject.token}': no direction of this atlas`);
      return unpacked(`${part} ${row.id}`);
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
    /* Ascending by a key; a token without that figure stays at the end, whichever way. */
    function sorted(list, key, way) {
      const has = row => row[key] !== undefined && row[key] !== null;
      const compare = (a, b) => (a[key] < b[key] ? -way : a[key] > b[key] ? way : a.id - b.id);
      return [...list.filter(has).sort(compare), ...list.filter(row => !has(row))];
    }
    const isWhole = row => /^[\u0120\u2581 ]?\p{L}+$/u.test(row.token); /* with the mark of a word's beginning, where there is one */
    const choose = async (list, { q, sort, ascending, limit, offset, least, whole }) => {
      const word = (q || "").toLowerCase(),
        begins = row => row.token.toLowerCase().startsWith(word);
      const marked = list.filter(row => /^[\u0120\u2581 ]./.test(row.token)).length > list.length / 20;
      let found = list.filter(
        row =>
          row.token.toLowerCase().includes(word) &&
          (row.direction || (row.count || 0) >= (least || 0)) &&
          (!whole || row.direction || (isWhole(row) && (!marked || /^[\u0120\u2581 ]/.test(row.token))))
      );
      if (sort) found = sorted(found, sort, ascending ? 1 : -1);
      if (word) found = [...found.filter(begins), ...found.filter(row => !begins(row))];
      return { total: found.length, tokens: found.slice(offset || 0, (offset || 0) + (limit || 50)) };
    };
    /* Tokens are sorted by how often they come: what else there is to say of them stands with the directions. */
    source.tokens = async wanted => choose(await tokens(), { ...wanted, sort: wanted.sort && "count" });
    source.directions = async wanted => choose((await rows(partOf(wanted.layer))).filter(row => !site.atlas.source || row.largest !== null), wanted);
    source.eigen = async (subject, { eigs, none } = {}) => {
      const found = await direction(subject);
      if (none) return found.none;
      return { ...found.eigen, vectors: pick(found.eigen.vectors, eigs, found.eigen.eigenvalues.length) };
    };
    source.scan = async (subject, { eigs, top }) => {
      const found = await direction(subject);
      const vectors = pick(found.scan.vectors, eigs, found.eigen.eigenvalues.length);
      return { ...found.scan, vectors: vectors.map(v => ({ ...v, matches: v.matches.slice(0, top || 8) })) };
    };

    source.sentences = site.sentences || [];
    const textOf = async (text, layer) => {
      const i = source.sentences.indexOf(text);
      refuse(i < 0, "a text of your own");
      return load(`text-${partOf(layer)}-${i}`);
    };
    const idOf = async token => (await tokens()).find(r => r.token === token || "#" + r.id === token)?.id;
    source.sentence = async ({ text }) => (await textOf(text)).sentence;
    source.excited = async ({ text }, position, layer) => (await textOf(text, layer)).excited[position];
    /* Only the likeliest prediction and another one stand against each other. */
    source.canOppose = (tops, token, other) => {
      const kept = tops.slice(0, LIKELIEST).map(([name]) => name);
      return kept.includes(token) && kept.includes(other) && (token === kept[0] || other === kept[0]);
    };
    source.canExplain = (tops, token) => tops.slice(0, LIKELIEST).some(([name]) => name === token);
    source.explain = async ({ text }, position, subject) => {
      const { why, sentence } = await textOf(text, subject.layer),
        ids = await Promise.all([subject.token, ...subject.minus].map(idOf));
      const found = why[[position, ...ids].join(" ")],
        opposite = ids.length === 2 ? why[[position, ids[1], ids[0]].join(" ")] : undefined;
      refuse(!found && !opposite, "the account of this word");
      return found ? { ...found } : turned(opposite, sentence.predictions[position].top, subject.token);
    };
    return source;
  };
})();
