-- Everything follows from a number: person p belongs to organization p / 10, diagram n to organization n % :organizations.
-- Run by load/rest/fill.py, which has made the table `templates` and puts the numbers in.

CREATE FUNCTION pg_temp.id(kind text, n bigint, at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid
    FROM (SELECT md5(kind || n) AS h) m $$;
CREATE FUNCTION pg_temp.org(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT pg_temp.id('org', n, timestamptz '2025-01-01' + make_interval(hours => n::int)) $$;
CREATE FUNCTION pg_temp.person(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT pg_temp.id('person', n, timestamptz '2025-01-01' + make_interval(hours => (n / 10)::int)) $$;

INSERT INTO colane.organizations (id, org_id, name) SELECT pg_temp.org(o), pg_temp.org(o), 'Organization ' || o
  FROM generate_series(0, :organizations - 1) o;
INSERT INTO colane.users (id, email, name, color) SELECT pg_temp.person(p), 'person-' || p || '@load.example', 'Person ' || p, '#1d4ed8'
  FROM generate_series(0, :organizations * 10 - 1) p;
INSERT INTO colane.memberships (org_id, user_id, role)
  SELECT pg_temp.org(p / 10), pg_temp.person(p), (ARRAY['owner', 'admin', 'editor', 'editor', 'editor', 'editor', 'editor',
    'commenter', 'viewer', 'viewer'])[p % 10 + 1] FROM generate_series(0, :organizations * 10 - 1) p;
INSERT INTO colane.tokens (user_id, name, scopes, secret_hash)
  SELECT pg_temp.person(p), 'load', '{admin}', sha256(convert_to('clt_load_' || p, 'UTF8')) FROM generate_series(0, :organizations * 10 - 1) p;
INSERT INTO colane.sessions (user_id, secret_hash, expires_at)
  SELECT pg_temp.person(p), sha256(convert_to('load_' || p, 'UTF8')), now() + interval '30 days'
  FROM generate_series(0, :organizations * 10 - 1) p;
INSERT INTO colane.projects (org_id, id, name)
  SELECT pg_temp.org(o), pg_temp.id('project', o * 5 + p, '2025-06-01'), 'Project ' || p
  FROM generate_series(0, :organizations - 1) o, generate_series(0, 4) p;
INSERT INTO colane.audit_heads (org_id, seq, hash) SELECT pg_temp.org(o), :each * 3, sha256('x')
  FROM generate_series(0, :organizations - 1) o;

-- One row a diagram that all of its tables are made from. Private are 10 %, deleted 3 %; every tenth has ten versions.
CREATE TEMP TABLE plan AS
  SELECT n, o, pg_temp.org(o) AS org_id, pg_temp.id('diagram', n, at) AS id, at, n % (SELECT count(*) FROM templates) AS template,
    at + random() * (now() - at) AS changed, pg_temp.person(o * 10 + n % 7) AS author,
    CASE WHEN n % 10 = 3 THEN 10 ELSE 1 END AS versions
  FROM (SELECT n, n % :organizations AS o, now() - interval '300 days' + make_interval(secs => n * 250.0 * 100000 / (:organizations * :each))
    AS at FROM generate_series(0::bigint, :organizations * :each::bigint - 1) n) s;
ANALYZE plan;
INSERT INTO colane.diagrams (org_id, id, project_id, title, visibility, version, element_count, created_at, created_by,
    updated_at, updated_by, deleted_at, purge_at)
  SELECT p.org_id, p.id, pg_temp.id('project', p.o * 5 + p.n % 5, '2025-06-01'),
    (ARRAY['Order', 'Invoice', 'Claim', 'Incident', 'Hiring', 'Return', 'Audit', 'Delivery'])[p.n % 8 + 1] || ' handling ' || p.n,
    CASE WHEN p.n % 10 = 7 THEN 'private' ELSE 'org' END, p.versions, t.elements, p.at, p.author, p.changed, p.author,
    CASE WHEN p.n % 33 = 5 THEN now() END, CASE WHEN p.n % 33 = 5 THEN now() + interval '30 days' END
  FROM plan p JOIN templates t ON t.n = p.template;
INSERT INTO colane.diagram_members (org_id, diagram_id, user_id, role)
  SELECT org_id, id, pg_temp.person(o * 10 + 8), 'editor' FROM plan WHERE n % 20 = 1;
INSERT INTO colane.diagram_heads (org_id, diagram_id, epoch, seq, folded, seed_client, weighed)
  SELECT org_id, id, 1, versions, versions, :client, versions FROM plan;
INSERT INTO colane.snapshots (org_id, diagram_id, epoch, seq, state)
  SELECT p.org_id, p.id, 1, p.versions, t.state FROM plan p JOIN templates t ON t.n = p.template;
INSERT INTO colane.writers (org_id, diagram_id, epoch, client_id, user_id)
  SELECT org_id, id, 1, :client, author FROM plan;
INSERT INTO colane.versions (org_id, diagram_id, version, kind, message, created_at, created_by, authors, epoch, seq, xml,
    sha256, stats, repairs, valid, element_count, thumbnail)
  SELECT p.org_id, p.id, v, CASE WHEN v = 1 THEN 'import' ELSE 'manual' END, 'Version ' || v, p.at + (p.changed - p.at) * v / p.versions,
    p.author, ARRAY[p.author], 1, v, t.xml, t.sha256, jsonb_build_object('elements', t.elements), '[]', true, t.elements, t.thumbnail
  FROM plan p JOIN templates t ON t.n = p.template, generate_series(1, p.versions) v;
INSERT INTO colane.element_changes (org_id, diagram_id, seq, ordinal, at, author, node_key, register, before, after)
  SELECT p.org_id, p.id, v, 0, p.changed, p.author, 'Task_1', '@name', '"before"', '"after"'
  FROM plan p, generate_series(2, p.versions) v;
INSERT INTO colane.audit (org_id, seq, at, actor, action, resource, diagram_id, result, metadata, request_id, prev_hash, hash)
  SELECT p.org_id, (p.n / :organizations) * 3 + l, p.changed, p.author, 'diagram.save', 'version:' || p.id || '/' || l, p.id, 'ok',
    '{"version": 1, "kind": "manual", "repairs": []}', 'load', sha256('x'), sha256('x') FROM plan p, generate_series(1, 3) l;
INSERT INTO colane.comments (org_id, diagram_id, id, author, text, created_at)
  SELECT org_id, id, pg_temp.id('comment', n, changed), author, 'What about this, number ' || n || '?', changed FROM plan;
INSERT INTO colane.mentions (org_id, diagram_id, comment_id, user_id, place)
  SELECT org_id, id, pg_temp.id('comment', n, changed), pg_temp.person(o * 10 + n % 10), 1 FROM plan WHERE n % 5 = 0;
INSERT INTO colane.epochs (org_id, diagram_id, epoch, seed_client) SELECT org_id, id, 0, 1 FROM plan WHERE n % 20 = 2;
INSERT INTO colane.bases (org_id, diagram_id, id, version, xml)
  SELECT p.org_id, p.id, 'base', 0, t.xml FROM plan p JOIN templates t ON t.n = p.template WHERE p.n % 20 = 4;
INSERT INTO colane.share_links (org_id, id, diagram_id, role, secret_hash, created_by)
  SELECT org_id, pg_temp.id('link', n, at), id, 'viewer', sha256(convert_to('link' || n, 'UTF8')), author FROM plan WHERE n % 20 = 6;
INSERT INTO colane.link_guests (org_id, link_id, user_id)
  SELECT org_id, pg_temp.id('link', n, at), pg_temp.person(n % (:organizations * 10)) FROM plan WHERE n % 20 = 6;
-- What search and dashboard are read from, as the worker would have left it; the index at the end, which is quicker.
CREATE FUNCTION pg_temp.tag(org uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'o' || right(org::text, 7) $$;
CREATE FUNCTION pg_temp.words(org uuid, said text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS
  $$ SELECT to_tsvector('simple', regexp_replace(lower(said), '(\w+)', pg_temp.tag(org) || '\1', 'g')) $$;
DROP INDEX colane.search_words;
INSERT INTO colane.search_entries (org_id, diagram_id, key, field, element_id, element_type, body, words)
  SELECT p.org_id, p.id, t.key, t.field, t.element_id, t.element_type, t.body,
    replace(t.words, '@tag@', pg_temp.tag(p.org_id))::tsvector FROM plan p JOIN texts t ON t.n = p.template;
INSERT INTO colane.search_entries (org_id, diagram_id, key, field, body, words)
  SELECT org_id, id, 'title', 'title', title, setweight(pg_temp.words(org_id, title), 'A')
  FROM plan JOIN colane.diagrams USING (org_id, id);
INSERT INTO colane.search_entries (org_id, diagram_id, key, field, body, words)
  SELECT org_id, diagram_id, 'comment:' || id, 'comment', text, setweight(pg_temp.words(org_id, text), 'D') FROM colane.comments;
CREATE INDEX search_words ON colane.search_entries USING gin (org_id, words) WITH (fastupdate = off);
INSERT INTO colane.diagram_facts (org_id, diagram_id, indexed, counted, threads, open_threads)
  SELECT org_id, id, versions, versions, 1, 1 FROM plan;
INSERT INTO colane.diagram_activity (org_id, diagram_id, day, user_id, edits, last_at)
  SELECT v.org_id, v.diagram_id, (v.created_at AT TIME ZONE 'UTC')::date, v.created_by, count(*), max(v.created_at)
  FROM plan p JOIN colane.versions v ON v.org_id = p.org_id AND v.diagram_id = p.id
  GROUP BY 1, 2, 3, 4;
