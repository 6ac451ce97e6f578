/* Where the numbers come from. BILENS.source is a running explorer (this file: its API under /api, docs/api.md) or, when BILENS_SITE
 * describes one, a static site (site_source.js). Both answer with promises of the same shapes:
 *
 *     info()  tokens({ q, sort, ascending, limit, offset, least, whole, reads })
 *     directions(the same, and layer): tokens, or the atlas's own directions
 *     eigen(subject, { eigs, none })  scan(subject, { eigs, top })
 *     heads(subject, distance)  evidence(subject, index)  layers(subject)  of a server only
 *     sentence(place)  excited(place, position, layer)  explain(place, position, subject, { most, words, eigs }): words of so many terms, 0 = of all
 *     readers(token, source, limit, layer)  similar(subject, k)  features(subject)  of a server only
 *
 * A place is { text } or, of a server, { story }. A subject is { token, minus: […], layer, contrast: "mean" | "none" | undefined }, or one of
 * the atlas's own directions: { direction: "@FILE:7", minus: [], layer }; answers then have its name as their token. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const KEPT = 96;

  /* Answers by their question, the latest KEPT of them: going back draws at once. Failures are not kept. */
  BILENS.remembering = ask => {
    const kept = new Map();
    return key => {
      let answer = kept.get(key);
      if (answer) kept.delete(key);
      else answer = ask(key);
      kept.set(key, answer);
      answer.catch(() => kept.delete(key));
      if (kept.size > KEPT) kept.delete(kept.keys().next().value);
      return answer;
    };
  };

  /* Parameters of a direction as the API and the page's address both have them. */
  BILENS.subjectQuery = (subject, fallback) => {
    const query = new URLSearchParams(subject.direction ? { direction: subject.direction } : { token: subject.token });
    for (const token of subject.minus) query.append("minus", token);
    /* Unless it is said: the layer that the atlas is of. */
    const layer = subject.layer ?? BILENS.firstLayer();
    if (layer !== undefined) query.set("layer", layer);
    if (!subject.direction && !subject.minus.length && (subject.contrast || fallback) === "mean") query.set("contrast", "mean");
    return query;
  };

  async function answerOf(response) {
    let body = null;
    try {
      body = await response.json();
    } catch (e) {
      /* not ours: the status has to do */
    }
    if (response.ok && body) return body;
    const error = new Error(body && body.error ? body.error.message : `the server answered ${response.status} ${response.statusText}`);
    Object.assign(error, { status: response.status, nearest: body && body.error ? body.error.nearest : undefined });
    throw error;
  }
  async function reach(address, options) {
    try {
      return await fetch(address, options);
    } catch (e) {
      throw new Error("the explorer does not answer any more: is bilens serve still running?");
    }
  }

  BILENS.serverSource = () => {
    const get = BILENS.remembering(async address => answerOf(await reach(address)));
    const post = BILENS.remembering(async key => {
      const [address, body] = key.split("\n");
      return answerOf(await reach(address, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body }));
    });
    const source = { server: true, contrast: "none" };
    source.info = async () => {
      const info = await get("api/info");
      source.contrast = info.contrast_default;
      return info;
    };
    const list = (path, { q, sort, ascending, limit, offset, least, whole, reads, layer }) => {
      const query = new URLSearchParams({ limit: limit || 50, offset: offset || 0 });
      if (q) query.set("q", q);
      if (sort) query.set("sort", sort);
      if (ascending) query.set("ascending", 1);
      if (least) query.set("least", least);
      if (whole) query.set("whole", 1);
      if (reads) query.set("reads", 1);
      if (layer !== undefined) query.set("layer", layer);
      return get(path + query);
    };
    source.tokens = wanted => list("api/tokens?", wanted);
    source.directions = wanted => list("api/directions?", wanted);
    /* A direction that is no token goes by its name. */
    const named = async answer => (await answer).label === undefined ? answer : { ...(await answer), token: (await answer).label };
    source.eigen = (subject, { eigs, none } = {}) => {
      const query = BILENS.subjectQuery(subject, source.contrast);
      for (const index of eigs || []) query.append("eigs", index);
      if (none) query.set("null", 1);
      return named(get("api/eigen?" + query));
    };
    source.scan = (subject, { eigs, top }) => {
      const query = BILENS.subjectQuery(subject, source.contrast);
      for (const index of eigs) query.append("eigs", index);
      query.set("top", top || 8);
      query.set("heads", 1);
      return named(get("api/scan?" + query));
    };
    source.readers = (token, through, limit, layer) => {
      const query = new URLSearchParams({ token, limit });
      if (layer !== undefined) query.set("layer", layer);
      if (through) query.set("source", through);
      return get("api/readers?" + query);
    };
    source.similar = (subject, k) => {
      const query = BILENS.subjectQuery(subject, source.contrast);
      query.set("k", k);
      return get("api/similar?" + query);
    };
    source.evidence = (subject, index) => {
      const query = BILENS.subjectQuery(subject, source.contrast);
      query.set("eigs", index);
      return get("api/evidence?" + query);
    };
    source.layers = subject => get("api/layers?" + BILENS.subjectQuery(subject, source.contrast));
    source.heads = (subject, distance) => {
      const query = BILENS.subjectQuery(subject, source.contrast);
      query.set("distance", distance);
      return get("api/heads?" + query);
    };
    /* Of an image model: a direction is { name, minus: [], space }; all answer with pictures. */
    const classQuery = ({ name, minus, space }, more) => {
      const query = new URLSearchParams({ class: name, ...more });
      for (const other of minus) query.append("minus", other);
      if (space === "pixel") query.set("space", "pixel");
      return query;
    };
    source.gallery = space => get("api/gallery" + (space === "pixel" ? "?space=pixel" : ""));
    source.classEigen = (direction, eigs) => {
      const query = classQuery(direction);
      for (const index of eigs || []) query.append("eigs", index);
      return get("api/eigen?" + query);
    };
    source.classScan = (direction, index, top) => get("api/scan?" + classQuery(direction, { eigs: index, top }));
    source.image = image => get("api/image?" + new URLSearchParams({ image }));
    source.explainImage = (image, space) => get("api/explain?" + new URLSearchParams({ image, top: 6, space }));
    source.sentence = place => post("api/sentence\n" + new URLSearchParams(place));
    /* Without a position: of the last; without a token: of what is expected most there. So all can be asked for at once. */
    const at = (place, position) => (position === null ? place : { ...place, position });
    source.excited = (place, position, layer) =>
      post("api/sentence/excited\n" + new URLSearchParams({ ...at(place, position), limit: 200, ...(layer === undefined ? {} : { layer }) }));
    source.features = subject => get("api/features?" + BILENS.subjectQuery(subject, source.contrast));
    source.canOppose = source.canExplain = () => true;
    source.explain = (place, position, subject, { most, words, eigs }) => {
      const query = BILENS.subjectQuery(subject, source.contrast);
      if (!subject.token && !subject.direction) query.delete("token");
      for (const [key, value] of Object.entries({ ...at(place, position), most, words: words || 0 })) query.set(key, value);
      for (const index of eigs || []) query.append("eigs", index);
      return post("api/explain\n" + query);
    };
    return source;
  };
})();
