//! The SQL of the counters.

use std::sync::LazyLock;

use entity::resource::Resource;

/// Statements that change nothing, but need the rights and locks of a batch: they show whether the database accepts writes.
pub(crate) fn nothing() -> impl Iterator<Item = String> {
    // The committer's own row is changed by each transaction.
    let tables = migration::tables().filter(|table| *table != "committer");
    let counted = ["session", "execution_context", "component_build"];
    let inserts = tables.map(|table| format!("INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0"));
    inserts.chain(counted.map(|table| format!("UPDATE {table} SET metric_count = 0 WHERE 1 = 0")))
}

/// Metric `$1` is the newest one. The row is missing if the tables were emptied.
pub(crate) const SET_LAST_METRIC: &str = "INSERT INTO history (id, version, sealed_until, last_metric_id) \
    VALUES (1, 0, 0, $1) ON CONFLICT (id) DO UPDATE SET last_metric_id = excluded.last_metric_id";

/// Metrics `$1` to `$2` are new, received at `$3`: their sessions have as many more.
pub(crate) const COUNT_BY_SESSION: &str = "UPDATE session SET metric_count = metric_count + new.n, last_received_at = $3 \
    FROM (SELECT session_id, COUNT(*) AS n FROM metric_row WHERE id BETWEEN $1 AND $2 GROUP BY session_id) AS new \
    WHERE session.id = new.session_id";

/// Metrics `$1` to `$2` are new: their contexts have as many more.
pub(crate) const COUNT_BY_CONTEXT: &str = "UPDATE execution_context SET metric_count = metric_count + new.n \
    FROM (SELECT context_id, COUNT(*) AS n FROM metric_row WHERE id BETWEEN $1 AND $2 GROUP BY context_id) AS new \
    WHERE execution_context.id = new.context_id";

/// Session `$1` has `$2` more metrics, received at `$3`.
pub(crate) const ADD_TO_SESSION: &str =
    "UPDATE session SET metric_count = metric_count + $2, last_received_at = $3 WHERE id = $1";

/// Context `$1` has `$2` more metrics.
pub(crate) const ADD_TO_CONTEXT: &str = "UPDATE execution_context SET metric_count = metric_count + $2 WHERE id = $1";

/// Session `$1` measured something in context `$2`.
pub(crate) const NOTE_CONTEXT: &str =
    "INSERT INTO session_context (session_id, context_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Metrics `$1` to `$2` are new: their sessions measured something in their contexts.
pub(crate) const NOTE_CONTEXTS: &str = "INSERT INTO session_context (session_id, context_id) \
    SELECT DISTINCT session_id, context_id FROM metric_row WHERE id BETWEEN $1 AND $2 ON CONFLICT DO NOTHING";

/// Session `$1` has `$4` more metrics of component `$2`, of which `$3` is the first.
pub(crate) const ADD_TO_SESSION_AND_COMPONENT: &str = "INSERT INTO session_component \
    (session_id, component_id, first_metric_id, metric_count) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (session_id, component_id) DO UPDATE SET \
    metric_count = session_component.metric_count + excluded.metric_count";

/// Metrics `$1` to `$2` are new: adds them to the counters of their components in their sessions.
pub(crate) const COUNT_BY_SESSION_AND_COMPONENT: &str = "INSERT INTO session_component \
    (session_id, component_id, first_metric_id, metric_count) \
    SELECT metric_row.session_id, item.component_id, MIN(metric_row.id), COUNT(*) FROM metric_row \
    JOIN variant ON variant.id = metric_row.variant_id JOIN item ON item.id = variant.item_id \
    WHERE metric_row.id BETWEEN $1 AND $2 GROUP BY metric_row.session_id, item.component_id \
    ON CONFLICT (session_id, component_id) DO UPDATE SET \
    metric_count = session_component.metric_count + excluded.metric_count";

/// Build `$2`, of pipeline `$3`, has `$5` more metrics of component `$1`, of which `$4` is the first.
pub(crate) const ADD_TO_COMPONENT_AND_BUILD: &str = "INSERT INTO component_build \
    (component_id, build_id, pipeline_id, first_metric_id, metric_count) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (component_id, build_id) DO UPDATE SET metric_count = component_build.metric_count + excluded.metric_count";

/// Metrics `$1` to `$2` are new: adds them to the counters of their components in their builds.
pub(crate) const COUNT_BY_COMPONENT_AND_BUILD: &str = "INSERT INTO component_build \
    (component_id, build_id, pipeline_id, first_metric_id, metric_count) \
    SELECT item.component_id, build.id, build.pipeline_id, MIN(metric_row.id), COUNT(*) \
    FROM metric_row JOIN session ON session.id = metric_row.session_id JOIN build ON build.id = session.build_id \
    JOIN variant ON variant.id = metric_row.variant_id JOIN item ON item.id = variant.item_id \
    WHERE metric_row.id BETWEEN $1 AND $2 GROUP BY item.component_id, build.id, build.pipeline_id \
    ON CONFLICT (component_id, build_id) DO UPDATE SET \
    metric_count = component_build.metric_count + excluded.metric_count";

/// Session `$1` was announced as part of build `$2` after its metrics came.
pub(crate) const JOIN_BUILD: &str = "INSERT INTO component_build \
    (component_id, build_id, pipeline_id, first_metric_id, metric_count) \
    SELECT session_component.component_id, build.id, build.pipeline_id, session_component.first_metric_id, \
    session_component.metric_count FROM session_component JOIN build ON build.id = $2 \
    WHERE session_component.session_id = $1 \
    ON CONFLICT (component_id, build_id) DO UPDATE SET \
    metric_count = component_build.metric_count + excluded.metric_count, \
    first_metric_id = CASE WHEN excluded.first_metric_id < component_build.first_metric_id \
    THEN excluded.first_metric_id ELSE component_build.first_metric_id END";

/// Component `$1` may have fewer metrics in build `$2`.
pub(crate) const LEAVE_BUILD: &str = "DELETE FROM component_build WHERE component_id = $1 AND build_id = $2";

/// Counts the metrics of component `$1` in build `$2` anew.
pub(crate) const COUNT_COMPONENT_IN_BUILD: &str = "INSERT INTO component_build \
    (component_id, build_id, pipeline_id, first_metric_id, metric_count) \
    SELECT session_component.component_id, build.id, build.pipeline_id, MIN(session_component.first_metric_id), \
    SUM(session_component.metric_count) FROM session JOIN build ON build.id = session.build_id \
    JOIN session_component ON session_component.session_id = session.id \
    WHERE session_component.component_id = $1 AND session.build_id = $2 \
    GROUP BY session_component.component_id, build.id, build.pipeline_id";

/// `$1` more sessions are deleted.
pub(crate) const COUNT_DELETIONS: &str = "UPDATE history SET deletions = deletions + $1, revision = revision + 1";

/// The metrics of session `$2` are hidden: `$5` with keys from `$3` to `$4`. Its deletion is number `$1`, from 0, before the last one.
pub(crate) const HIDE_SESSION: &str = "INSERT INTO deletion \
    (id, session_id, first_metric_id, last_metric_id, metric_count) \
    SELECT deletions - $1, $2, $3, $4, $5 FROM history";

/// `$3` rows are deleted, whose name and column is `$1` and the greatest value in it `$2`.
pub(crate) const NOTE_DELETED: &str = "INSERT INTO deleted_key (name, greatest, row_count) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO UPDATE SET row_count = deleted_key.row_count + excluded.row_count, \
    greatest = CASE WHEN excluded.greatest > deleted_key.greatest THEN excluded.greatest ELSE deleted_key.greatest END";

/// Variant `$1` has `$2` more metrics, whose values lie between `$3` and `$4`, `$5` and `$6`, …
pub(crate) static ADD_TO_VARIANT: LazyLock<String> = LazyLock::new(|| {
    let bounds = Resource::ALL.iter().zip((3..).step_by(2)).map(|(resource, least)| {
        let f = resource.column();
        let greatest = least + 1;
        format!(
            ", min_{f} = CASE WHEN min_{f} <= ${least} THEN min_{f} ELSE ${least} END\
             , max_{f} = CASE WHEN max_{f} >= ${greatest} THEN max_{f} ELSE ${greatest} END"
        )
    });
    format!("UPDATE variant SET metric_count = metric_count + $2{} WHERE id = $1", bounds.collect::<String>())
});

/// Metrics `$1` to `$2` are new: their variants have as many more, and bounds at least as wide.
pub(crate) static COUNT_AND_BOUNDS_BY_VARIANT: LazyLock<String> = LazyLock::new(|| {
    let bounds = Resource::ALL.map(|resource| {
        let f = resource.column();
        format!(
            ", min_{f} = CASE WHEN min_{f} <= new.min_{f}_ THEN min_{f} ELSE new.min_{f}_ END\
             , max_{f} = CASE WHEN max_{f} >= new.max_{f}_ THEN max_{f} ELSE new.max_{f}_ END"
        )
    });
    let new = Resource::ALL.map(Resource::column).map(|f| format!(", MIN({f}) AS min_{f}_, MAX({f}) AS max_{f}_"));
    format!(
        "UPDATE variant SET metric_count = metric_count + new.n{} FROM (SELECT variant_id, COUNT(*) AS n{} \
         FROM metric_row WHERE id BETWEEN $1 AND $2 GROUP BY variant_id) AS new WHERE variant.id = new.variant_id",
        bounds.concat(),
        new.concat()
    )
});
