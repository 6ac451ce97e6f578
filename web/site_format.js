/* A static site's directions, unpacked: what src/serve/site_direction.c writes as short as it can becomes the shapes that the API's eigen
 * and scan have. Ids become tokens, differences of 16-bit numbers eigenvalues, whole numbers contributions. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const UNIT = 32767;
  const AFTER = 3; /* words after a match */

  /* A whole spectrum; null where the site was made without. */
  function spectrum(packed) {
    if (!packed || !packed.spectrum) return null;
    let at = 0;
    return packed.spectrum.map(step => (packed.largest * (at += step)) / UNIT);
  }
  const pairs = (flat, names) => Array.from({ length: flat.length / 2 }, (_, i) => [names[flat[2 * i]], flat[2 * i + 1]]);

  function sources(vector, names) {
    const out = {};
    vector.words.forEach(([top, bottom], i) => {
      out[i ? `head ${i - 1}` : "direct"] = { top: pairs(top, names), bottom: pairs(bottom || [], names) };
    });
    if (vector.bias) out.bias = { value: vector.bias };
    return out;
  }
  function match([story, position, similarity, activation, bias, scale, shares], stories, names) {
    const tokens = stories[story].map(id => names[id]);
    return {
      story,
      position,
      coarse: true,
      token: tokens[position],
      similarity,
      activation,
      bias,
      contributions: shares.map(share => share * scale),
      tokens: tokens.slice(0, position + 1),
      next: tokens.slice(position + 1, position + 1 + AFTER)
    };
  }

  /* `row`: the direction's line of the list; `names` [V]: the tokens by id; `site`: what the site says of itself. */
  BILENS.unpackDirection = (packed, row, stories, names, site, layer) => {
    const whole = spectrum(packed),
      eigenvalues = whole || row.values,
      n = eigenvalues.length,
      groups = packed.groups || [];
    const subject = { token: row.token, minus: [], layer, model: site.model.model };
    const vectors = packed.vectors.map(vector => {
      const position = vector.index < 0 ? vector.index + n : vector.index,
        group = groups.find(([first, last]) => first <= position && position <= last);
      /* The exact eigenvalue in the place of the packed one, so that the drawing and the number agree. */
      eigenvalues[position] = vector.eigenvalue;
      return {
        index: vector.index,
        eigenvalue: vector.eigenvalue,
        position,
        coarse: true,
        ...(group ? { group } : {}),
        sources: sources(vector, names)
      };
    });
    const hits = packed.vectors.map(vector => ({
      index: vector.index,
      eigenvalue: vector.eigenvalue,
      ...Object.fromEntries(["statistic", "ratio", "p", "q", "effect", "null_effect"].map(key => [key, vector[key]])),
      matches: vector.matches.map(m => match(m, stories, names))
    }));
    return {
      eigen: { ...subject, eigenvalues, groups, vectors },
      none: { ...subject, eigenvalues: spectrum(packed.null) || row.null_values, vectors: [] },
      scan: { ...subject, stories: site.atlas.corpus_stories, positions: site.atlas.corpus_positions, vectors: hits }
    };
  };
})();
