"""The database's part of searching: folded texts, their pieces, the triggers that keep them, and the look-up."""

from __future__ import annotations

# NFKC makes full-width letters and digits plain ones.
FOLD = """
CREATE OR REPLACE FUNCTION forewarn_fold(said text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT regexp_replace(lower(normalize(coalesce(said, ''), NFKC)), '\\s+', ' ', 'g')
$$
"""

# Chinese has no blanks between words: every character and every two of them are looked up. Latin has its trigrams.
GRAMS = """
CREATE OR REPLACE FUNCTION forewarn_grams(said text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(DISTINCT piece), '{}') FROM (
    SELECT substr(run[1], place, width) AS piece
    FROM regexp_matches(said, '[^\\x01-\\x7f]+', 'g') AS run,
      generate_series(1, length(run[1])) AS place, generate_series(1, 2) AS width) pieces
  WHERE piece <> ''
$$
"""

REFRESH = """
CREATE OR REPLACE FUNCTION forewarn_search_refresh(ids uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  INSERT INTO public.search_entries AS e (asset_id, organisation_id, serial, name, words, grams)
  SELECT asset_id, organisation_id, serial, name, words, forewarn_grams(words) FROM (
    SELECT a.id AS asset_id, a.organisation_id, btrim(forewarn_fold(a.serial)) AS serial,
      btrim(forewarn_fold(a.name)) AS name,
      forewarn_fold(concat_ws(' ', a.serial, a.name, m.code, m.name_en, m.name_zh, m.manufacturer, c.number, c.name,
        s.name, s.address, (SELECT string_agg(left(value, 200), ' ') FROM jsonb_each_text(a.custom) WHERE value <> '')
      )) AS words
    FROM public.assets a LEFT JOIN public.asset_models m ON m.id = a.asset_model_id
    LEFT JOIN public.customers c ON c.id = a.customer_id AND c.organisation_id = a.organisation_id
    LEFT JOIN public.sites s ON s.id = a.site_id AND s.organisation_id = a.organisation_id
    WHERE a.id = ANY (ids)) found
  ON CONFLICT (asset_id) DO UPDATE SET organisation_id = excluded.organisation_id, serial = excluded.serial,
    name = excluded.name, words = excluded.words, grams = excluded.grams
  WHERE (e.organisation_id, e.words) IS DISTINCT FROM (excluded.organisation_id, excluded.words)
$$
"""

_TRIGGERS = """
CREATE OR REPLACE FUNCTION forewarn_search_new() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM forewarn_search_refresh((SELECT array_agg(id) FROM added));
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION forewarn_search_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_TABLE_NAME = 'assets' THEN
    PERFORM forewarn_search_refresh(ARRAY[NEW.id]);
  ELSIF TG_TABLE_NAME = 'customers' THEN
    PERFORM forewarn_search_refresh((SELECT array_agg(id) FROM assets WHERE customer_id = NEW.id));
  ELSIF TG_TABLE_NAME = 'sites' THEN
    PERFORM forewarn_search_refresh((SELECT array_agg(id) FROM assets WHERE site_id = NEW.id));
  ELSE
    PERFORM forewarn_search_refresh((SELECT array_agg(id) FROM assets WHERE asset_model_id = NEW.id));
  END IF;
  RETURN NULL;
END $$;
"""
TRIGGER_FUNCTIONS = tuple(f"{each}END $$" for each in _TRIGGERS.split("END $$;") if each.strip())

WATCHED = {
    "assets": ("organisation_id", "serial", "name", "asset_model_id", "customer_id", "site_id", "custom"),
    "customers": ("organisation_id", "number", "name"),
    "sites": ("organisation_id", "name", "address"),
    "asset_models": ("code", "name_en", "name_zh", "manufacturer"),
}

# Owned by the service: no row policy stands between the index and the question, so visibility is stated here, by a
# constant (EXECUTE … USING) that is hashed, instead of going through a thousand organisations for each row. What comes
# back is looked up under the row policies once more by whoever asks.
SEARCH = """
CREATE OR REPLACE FUNCTION forewarn_search_assets(asked text, most integer)
RETURNS TABLE (found uuid, place integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  said text := btrim(forewarn_fold(left(asked, 200)));
  start text := replace(replace(replace(said, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%';
  patterns text[] := (SELECT array_agg('%' || word || '%') FROM unnest(string_to_array(left(start, -1), ' ')) AS word);
  pieces text[] := forewarn_grams(said);
  -- Three plain letters in a row have trigrams; the longest word tells most.
  latin text := (SELECT word FROM unnest(patterns) AS word WHERE word ~ '[\\x21-\\x7e]{5}'
                 ORDER BY length(word) DESC LIMIT 1);
  mine uuid[] := forewarn_visible_organisations();
  wide text;
BEGIN
  IF said = '' OR most < 1 THEN RETURN; END IF;
  most := least(most, 1000);
  wide := 'SELECT e.asset_id, CASE WHEN e.name LIKE ALL ($2) THEN 4 ELSE 5 END FROM public.search_entries e
    WHERE e.organisation_id = ANY ($3) AND e.words LIKE ALL ($2)';
  IF pieces <> '{}' THEN wide := wide || ' AND e.grams @> $1'; END IF;
  IF latin IS NOT NULL THEN wide := wide || ' AND e.words LIKE $5'; END IF;
  RETURN QUERY EXECUTE
    'SELECT asset_id, min(p)::integer FROM (
      (SELECT e.asset_id, 0 AS p FROM public.search_entries e
       WHERE e.serial = $7 AND e.organisation_id = ANY ($3) LIMIT $4)
      UNION ALL (SELECT e.asset_id, 1 FROM public.search_entries e
       WHERE e.serial LIKE $6 AND e.organisation_id = ANY ($3) ORDER BY e.serial USING ~<~ LIMIT $4)
      UNION ALL (SELECT e.asset_id, CASE WHEN e.name = $7 THEN 2 ELSE 3 END FROM public.search_entries e
       WHERE e.name LIKE $6 AND e.organisation_id = ANY ($3) ORDER BY e.name USING ~<~ LIMIT $4)
      UNION ALL (' || wide || ' LIMIT $4)
      UNION ALL (SELECT e.asset_id, 5 FROM public.work_orders w JOIN public.search_entries e ON e.asset_id = w.asset_id
       AND e.organisation_id = w.organisation_id WHERE w.executing_organisation_id = ANY ($3)
       AND (w.closed_at IS NULL OR w.closed_at > now() - interval ''30 days'') AND e.words LIKE ALL ($2) LIMIT $4)
    ) AS all_found(asset_id, p) GROUP BY asset_id ORDER BY min(p), asset_id LIMIT $4'
  USING pieces, patterns, mine, most, latin, start, said;
END $$
"""

FUNCTIONS = {
    "forewarn_fold(text)": FOLD,
    "forewarn_grams(text)": GRAMS,
    "forewarn_search_refresh(uuid[])": REFRESH,
    "forewarn_search_new()": TRIGGER_FUNCTIONS[0],
    "forewarn_search_changed()": TRIGGER_FUNCTIONS[1],
    "forewarn_search_assets(text, integer)": SEARCH,
}


def triggers() -> list[str]:
    """Return the statements that make the triggers: new assets by statement, changes by row."""
    made = [
        "CREATE TRIGGER search_new AFTER INSERT ON assets REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION forewarn_search_new()"
    ]
    for table, columns in WATCHED.items():
        differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        made.append(
            f"CREATE TRIGGER search_changed AFTER UPDATE OF {', '.join(columns)} ON {table}"
            f" FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION forewarn_search_changed()"
        )
    return made


# For lists, which have an order and filters of their own: the ids of all that hold the words, NULL if over `most`.
MATCHING = r"""
CREATE OR REPLACE FUNCTION forewarn_search_ids(asked text, most integer) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  patterns text[] := forewarn_search_patterns(asked);
  pieces text[] := forewarn_grams(forewarn_fold(left(asked, 200)));
  latin text := (SELECT word FROM unnest(patterns) AS word WHERE word ~ '[\x21-\x7e]{5}'
                 ORDER BY length(word) DESC LIMIT 1);
  statement text := 'SELECT array_agg(asset_id) FROM (SELECT e.asset_id FROM public.search_entries e
    WHERE (e.organisation_id = ANY ($3) OR e.asset_id = ANY ($4)) AND e.words LIKE ALL ($2)';
  found uuid[];
BEGIN
  IF pieces <> '{}' THEN statement := statement || ' AND e.grams @> $1'; END IF;
  IF latin IS NOT NULL THEN statement := statement || ' AND e.words LIKE $5'; END IF;
  EXECUTE statement || ' LIMIT $6) AS s' INTO found
    USING pieces, patterns, forewarn_visible_organisations(), forewarn_reached_assets(), latin, most + 1;
  IF cardinality(found) > most THEN RETURN NULL; END IF;
  RETURN coalesce(found, '{}');
END $$
"""
PATTERNS = r"""
CREATE OR REPLACE FUNCTION forewarn_search_patterns(asked text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(array_agg('%' || word || '%'), '{%}') FROM unnest(string_to_array(replace(replace(replace(
    btrim(public.forewarn_fold(left(asked, 200))), '\', '\\'), '%', '\%'), '_', '\_'), ' ')) AS word
$$
"""
LIST_FUNCTIONS = {
    "forewarn_search_patterns(text)": PATTERNS,
    "forewarn_search_ids(text, integer)": MATCHING,
}
