"""Who sees which rows of cases: the owner, whose desk it is, and partners while they execute something of it."""

from __future__ import annotations

from assets.base.access import OWNED, VISIBLE

# As for work orders: while it is open and 30 days after. The owners must agree: a row of one's own that names
# somebody else's case opens nothing.
_EXECUTES = f"""
EXISTS (SELECT 1 FROM case_children c WHERE c.case_id = cases.id AND c.organisation_id = cases.organisation_id
  AND c.executing_organisation_id = ANY ({VISIBLE})
  AND (c.closed_at IS NULL OR c.closed_at > now() - interval '30 days'))
"""
CASE_READ = f"""
{OWNED} OR (executing_organisation_id = ANY ({VISIBLE})
  AND (closed_at IS NULL OR closed_at > now() - interval '30 days')) OR {_EXECUTES}
"""
CHILD_READ = f"""
{OWNED} OR (executing_organisation_id = ANY ({VISIBLE})
  AND (closed_at IS NULL OR closed_at > now() - interval '30 days'))
"""

# Asked with the reader's own eyes: whoever does not see the case sees none of its messages. What is internal belongs
# to the desk's organisation, which is above the customer's.
MESSAGE_READ = f"""
{OWNED} OR EXISTS (SELECT 1 FROM cases c WHERE c.id = thread_messages.case_id
  AND ((thread_messages.visibility = 'public' AND c.organisation_id = thread_messages.organisation_id)
    OR thread_messages.executing_organisation_id = ANY ({VISIBLE})))
"""
MESSAGE_INSERT = f"""
{OWNED} OR EXISTS (SELECT 1 FROM cases c WHERE c.id = thread_messages.case_id
  AND thread_messages.executing_organisation_id = ANY ({VISIBLE})
  AND thread_messages.organisation_id = CASE thread_messages.visibility
    WHEN 'public' THEN c.organisation_id ELSE c.desk_organisation_id END)
"""
