/* A static site (bilens atlas --site) writes its own description here; a running explorer has none. */
globalThis.BILENS_SITE = null;
