"""The view ``domain_events``: the log for people who read it with plain SQL, on both databases."""

from ..domain.events import RESERVED_TOPICS

_OURS = " OR ".join(f"substr(e.topic, 1, {len(prefix)}) = '{prefix}'" for prefix in RESERVED_TOPICS)
_STREAM = (
    "lower(substr(hex(e.stream), 1, 8) || '-' || substr(hex(e.stream), 9, 4) || '-' ||"
    " substr(hex(e.stream), 13, 4) || '-' || substr(hex(e.stream), 17, 4) || '-' ||"
    " substr(hex(e.stream), 21))"
)

LOG_VIEW = {
    "sqlite": f"""
CREATE VIEW IF NOT EXISTS domain_events AS
SELECT p.name AS project, e.position, {_STREAM} AS stream, e.version, e.topic AS type,
       strftime('%Y-%m-%dT%H:%M:%fZ',
                json_extract(CAST(e.state AS TEXT), '$.recorded_at') / 1000.0,
                'unixepoch') AS recorded_at,
       json_extract(CAST(e.state AS TEXT), '$.cause.position') AS input_position,
       json_extract(CAST(e.state AS TEXT), '$.cause.uuid') AS input_uuid,
       json_extract(CAST(e.state AS TEXT), '$.rules') AS rules,
       CAST(e.state AS TEXT) AS state
FROM stored_events e JOIN projects p ON p.id = e.project
WHERE {_OURS}
""",  # noqa: S608 - constants
    "postgresql": f"""
CREATE OR REPLACE VIEW domain_events AS
SELECT p.name AS project, e.position, encode(e.stream, 'hex')::uuid AS stream, e.version,
       e.topic AS type,
       to_timestamp((convert_from(e.state, 'UTF8')::json ->> 'recorded_at')::bigint / 1000.0)
           AS recorded_at,
       (convert_from(e.state, 'UTF8')::json #>> '{{cause,position}}')::bigint AS input_position,
       (convert_from(e.state, 'UTF8')::json #>> '{{cause,uuid}}')::uuid AS input_uuid,
       (convert_from(e.state, 'UTF8')::json ->> 'rules')::int AS rules,
       convert_from(e.state, 'UTF8') AS state
FROM stored_events e JOIN projects p ON p.id = e.project
WHERE {_OURS}
""",  # noqa: S608 - constants
}
