"""The database's part of searching cases, requests and work orders: triggers that keep entries, and the look-up."""

from __future__ import annotations

MOST_TEXT = 4000  # characters of a text that are searched

_OF_ASSET = """
  LEFT JOIN public.assets a ON a.id = t.asset_id AND a.organisation_id = t.organisation_id
  LEFT JOIN public.customers c ON c.id = coalesce({customer}a.customer_id) AND c.organisation_id = t.organisation_id
"""
# kind, table, what is found, inside, number, title, words of the row itself
_CASE = ("case", "cases", "t.id", "false", "t.number", "t.title", f"left(t.text, {MOST_TEXT})")
_REQUEST = (
    "request",
    "requests",
    "t.id",
    "false",
    "t.number",
    f"left(t.text, {MOST_TEXT})",
    "t.contact->>'name', t.contact->>'phone', t.contact->>'email'",
)
_ORDER = (
    "work_order",
    "work_orders",
    "t.id",
    "false",
    "t.number",
    "t.title_text",
    "(SELECT string_agg(left(value, 200), ' ') FROM jsonb_each_text(t.title_params))",
)
_MESSAGE = (
    "case",
    "thread_messages",
    "t.case_id",
    "t.visibility <> 'public'",
    "NULL",
    "NULL",
    f"left(t.text, {MOST_TEXT})",
)
TABLES = {
    "cases": ("organisation_id", "number", "title", "text", "asset_id", "customer_id"),
    "requests": ("organisation_id", "number", "text", "contact", "asset_id", "customer_id"),
    "work_orders": ("organisation_id", "number", "title_text", "title_params", "asset_id"),
    "thread_messages": ("organisation_id", "case_id", "visibility", "text"),
}
# What a row is found by besides its own words.
NAMED = {"assets": ("serial", "name", "customer_id"), "customers": ("number", "name")}


def _refresh(kind: str, table: str, subject: str, inside: str, number: str, title: str, words: str) -> str:
    """Return the branch of the refreshing function for the rows of one table."""
    joined, named = "", ""
    if table != "thread_messages":
        customer = "" if table == "work_orders" else "t.customer_id, "
        joined, named = _OF_ASSET.format(customer=customer), ", a.serial, a.name, c.number, c.name"
    return f"""
  IF said = '{table}' THEN
    INSERT INTO public.work_search_entries AS e
      (id, organisation_id, kind, subject_id, inside, number, title, words, grams)
    SELECT f.*, forewarn_grams(f.words) FROM (
      SELECT t.id, t.organisation_id, '{kind}', {subject} AS subject_id, {inside} AS inside,
        btrim(forewarn_fold({number})) AS number, btrim(forewarn_fold({title})) AS title,
        forewarn_fold(concat_ws(' ', {number}, {title}, {words}{named})) AS words
      FROM public.{table} t {joined} WHERE t.id = ANY (ids)) f
    ON CONFLICT (id) DO UPDATE SET organisation_id = excluded.organisation_id, subject_id = excluded.subject_id,
      inside = excluded.inside, number = excluded.number, title = excluded.title, words = excluded.words,
      grams = excluded.grams
    WHERE (e.organisation_id, e.subject_id, e.inside, e.title, e.words) IS DISTINCT FROM
      (excluded.organisation_id, excluded.subject_id, excluded.inside, excluded.title, excluded.words);
  END IF;"""


REFRESH = f"""
CREATE OR REPLACE FUNCTION forewarn_work_search_refresh(said text, ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN{"".join(_refresh(*each) for each in (_CASE, _REQUEST, _ORDER, _MESSAGE))}
END $$
"""

_HEAD = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$"
NEW = f"""
CREATE OR REPLACE FUNCTION forewarn_work_search_new() RETURNS trigger {_HEAD}
BEGIN
  PERFORM forewarn_work_search_refresh(TG_TABLE_NAME, (SELECT array_agg(id) FROM added));
  RETURN NULL;
END $$
"""
GONE = f"""
CREATE OR REPLACE FUNCTION forewarn_work_search_gone() RETURNS trigger {_HEAD}
BEGIN
  DELETE FROM public.work_search_entries WHERE id IN (SELECT id FROM removed);
  RETURN NULL;
END $$
"""
CHANGED = f"""
CREATE OR REPLACE FUNCTION forewarn_work_search_changed() RETURNS trigger {_HEAD}
BEGIN
  IF TG_TABLE_NAME NOT IN ('assets', 'customers') THEN
    PERFORM forewarn_work_search_refresh(TG_TABLE_NAME, ARRAY[NEW.id]);
  ELSIF TG_TABLE_NAME = 'assets' THEN
    PERFORM forewarn_work_search_refresh('cases', (SELECT array_agg(id) FROM cases WHERE asset_id = NEW.id));
    PERFORM forewarn_work_search_refresh('requests', (SELECT array_agg(id) FROM requests WHERE asset_id = NEW.id));
    PERFORM forewarn_work_search_refresh('work_orders',
      (SELECT array_agg(id) FROM work_orders WHERE asset_id = NEW.id));
  ELSE
    PERFORM forewarn_work_search_refresh('cases', (SELECT array_agg(id) FROM cases
      WHERE customer_id = NEW.id OR asset_id IN (SELECT id FROM assets WHERE customer_id = NEW.id)));
    PERFORM forewarn_work_search_refresh('requests', (SELECT array_agg(id) FROM requests
      WHERE customer_id = NEW.id OR asset_id IN (SELECT id FROM assets WHERE customer_id = NEW.id)));
    PERFORM forewarn_work_search_refresh('work_orders', (SELECT array_agg(w.id) FROM work_orders w
      JOIN assets a ON a.id = w.asset_id WHERE a.customer_id = NEW.id));
  END IF;
  RETURN NULL;
END $$
"""

# What others own and the actor's organisations carry out; whoever asks looks at each under the row policies again.
REACHED = """
CREATE OR REPLACE FUNCTION forewarn_reached_work() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(DISTINCT x.id), '{}') FROM (SELECT forewarn_visible_organisations() AS ids) AS mine
  CROSS JOIN LATERAL (
    SELECT w.id FROM public.work_orders w
    WHERE w.executing_organisation_id = ANY (mine.ids) AND w.organisation_id <> ALL (mine.ids)
    UNION ALL SELECT t.id FROM public.cases t
    WHERE t.executing_organisation_id = ANY (mine.ids) AND t.organisation_id <> ALL (mine.ids)
    UNION ALL SELECT k.case_id FROM public.case_children k
    WHERE k.executing_organisation_id = ANY (mine.ids) AND k.organisation_id <> ALL (mine.ids)
  ) AS x
$$
"""

# Both build a statement for what was asked: only a plan that knows the words takes the right index.
_ASKED = r"""
  said text := btrim(forewarn_fold(left(asked, 200)));
  patterns text[] := forewarn_search_patterns(asked);
  pieces text[] := forewarn_grams(said);
  latin text := (SELECT word FROM unnest(patterns) AS word WHERE word ~ '[\x21-\x7e]{5}'
                 ORDER BY length(word) DESC LIMIT 1);
  mine uuid[] := forewarn_visible_organisations();
  reached uuid[] := forewarn_reached_work();
  holds text := 'e.words LIKE ALL ($1)';
"""
_HOLDS = """
  IF pieces <> '{}' THEN holds := holds || ' AND e.grams @> $2'; END IF;
  IF latin IS NOT NULL THEN holds := holds || ' AND e.words LIKE $3'; END IF;
"""

# Of a word that is in many rows the newest come from a look at the newest thousand of each kind (ids are ordered by
# time): to sort all that hold it would take longer than anybody waits.
SEARCH = f"""
CREATE OR REPLACE FUNCTION forewarn_search_work(asked text, kinds text[], notes boolean, most integer)
RETURNS TABLE (kind text, found uuid, place integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE {_ASKED}
  start text := replace(replace(replace(said, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%';
  each text;
  wide text := '';
  columns text := '(SELECT e.kind, e.subject_id, CASE WHEN e.title LIKE ALL ($1) THEN 4 ELSE 5 END AS p
    FROM public.work_search_entries e WHERE ';
BEGIN
  IF said = '' OR most < 1 THEN RETURN; END IF;
  most := least(most, 1000); {_HOLDS}
  FOREACH each IN ARRAY kinds LOOP
    wide := wide || ' UNION ALL ' || columns || holds || ' AND e.kind = ' || quote_literal(each)
      || ' AND e.organisation_id = ANY ($4) AND ($6 OR NOT e.inside) LIMIT $8)'
      || ' UNION ALL (SELECT e.kind, e.subject_id, CASE WHEN e.title LIKE ALL ($1) THEN 4 ELSE 5 END FROM (
        SELECT n.kind, n.subject_id, n.title, n.words, n.organisation_id, n.inside FROM public.work_search_entries n
        WHERE n.kind = ' || quote_literal(each) || ' ORDER BY n.subject_id DESC LIMIT 1000) e
        WHERE e.words LIKE ALL ($1) AND e.organisation_id = ANY ($4) AND ($6 OR NOT e.inside) LIMIT $8)';
  END LOOP;
  IF reached <> '{{}}' THEN
    wide := wide || ' UNION ALL ' || columns || ' e.words LIKE ALL ($1) AND e.subject_id = ANY ($5) AND NOT e.inside
      AND e.kind = ANY ($7) ORDER BY e.subject_id DESC LIMIT $8)';
  END IF;
  RETURN QUERY EXECUTE
    'SELECT h.kind, h.subject_id, min(h.p)::integer FROM (
      (SELECT e.kind, e.subject_id, CASE WHEN e.number = $9 THEN 0 ELSE 1 END AS p FROM public.work_search_entries e
       WHERE e.number LIKE $10 AND e.kind = ANY ($7) AND (e.organisation_id = ANY ($4) OR e.subject_id = ANY ($5))
       ORDER BY e.number USING ~<~ LIMIT $8)' || wide || '
    ) AS h GROUP BY h.kind, h.subject_id ORDER BY min(h.p), h.subject_id DESC LIMIT $8'
  USING patterns, pieces, latin, mine, reached, notes, kinds, most, said, start;
END $$
"""

# For lists, which have an order and filters of their own: the ids of all that hold the words, NULL if over `most`.
MATCHING = f"""
CREATE OR REPLACE FUNCTION forewarn_search_work_ids(asked text, kind text, notes boolean, most integer) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE {_ASKED}
  found uuid[];
BEGIN {_HOLDS}
  EXECUTE 'SELECT array_agg(s.subject_id) FROM (SELECT e.subject_id FROM public.work_search_entries e WHERE ' || holds
    || ' AND e.kind = $7 AND ((e.organisation_id = ANY ($4) AND ($6 OR NOT e.inside))'
    || CASE WHEN reached = '{{}}' THEN '' ELSE ' OR (e.subject_id = ANY ($5) AND NOT e.inside)' END
    || ') LIMIT $8) AS s' INTO found
    USING patterns, pieces, latin, mine, reached, notes, kind, most + 1;
  IF cardinality(found) > most THEN RETURN NULL; END IF;
  RETURN coalesce(found, '{{}}');
END $$
"""

FUNCTIONS = {
    "forewarn_work_search_refresh(text, uuid[])": REFRESH,
    "forewarn_work_search_new()": NEW,
    "forewarn_work_search_gone()": GONE,
    "forewarn_work_search_changed()": CHANGED,
    "forewarn_reached_work()": REACHED,
    "forewarn_search_work(text, text[], boolean, integer)": SEARCH,
    "forewarn_search_work_ids(text, text, boolean, integer)": MATCHING,
}


def triggers() -> list[str]:
    """Return the statements that make the triggers: new and removed rows by statement, changed ones by row."""
    made = []
    for table in TABLES:
        made.append(
            f"CREATE TRIGGER work_search_new AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
            " FOR EACH STATEMENT EXECUTE FUNCTION forewarn_work_search_new()"
        )
        made.append(
            f"CREATE TRIGGER work_search_gone AFTER DELETE ON {table} REFERENCING OLD TABLE AS removed"
            " FOR EACH STATEMENT EXECUTE FUNCTION forewarn_work_search_gone()"
        )
    for table, columns in (TABLES | NAMED).items():
        differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        made.append(
            f"CREATE TRIGGER work_search_changed AFTER UPDATE OF {', '.join(columns)} ON {table}"
            f" FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION forewarn_work_search_changed()"
        )
    return made
