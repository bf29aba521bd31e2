//! The listings of REST v1: names of pipelines, builds and sessions, optionally of one component.

use sea_orm::{DbErr, QueryOrder as _, entity::prelude::*, sea_query::Value};

use crate::{digest::digest, driver::source::Source, table::pipeline};

/// Returns the digest of `names` as a value to bind.
fn digest_of(names: &[&str]) -> Value {
    digest(names).to_vec().into()
}

/// Returns the names of all pipelines, in order of their first sessions.
pub async fn pipelines(db: &impl Source) -> Result<Vec<String>, DbErr> {
    let pipelines = db.find(pipeline::Entity::find().order_by_asc(pipeline::Column::Id)).await?;
    Ok(pipelines.into_iter().map(|pipeline| pipeline.name).collect())
}

/// Every pipeline, with its first metric of the component with digest `$1`, or null.
const FIRST_METRICS: &str = "SELECT (SELECT MIN(first_metric_id) FROM component_build \
    WHERE component_id = (SELECT id FROM component WHERE digest = $1) AND pipeline_id = pipeline.id), pipeline.name \
    FROM pipeline";

/// Returns the names of the pipelines that measured `component`, in order of its first metrics there.
pub async fn pipelines_of_component(db: &impl Source, component: &str) -> Result<Vec<String>, DbErr> {
    let mut pipelines: Vec<(Option<i64>, String)> = db.select(FIRST_METRICS, [digest_of(&[component])]).await?;
    pipelines.sort();
    Ok(pipelines.into_iter().filter(|(first, _)| first.is_some()).map(|(_, name)| name).collect())
}

/// The builds of a pipeline that measured a component.
#[derive(Debug)]
pub struct Builds {
    component: i64,
    pipeline: i64,
}

/// The keys of the component and the pipeline with digests `$1` and `$2`.
const COMPONENT_AND_PIPELINE: &str =
    "SELECT (SELECT id FROM component WHERE digest = $1), (SELECT id FROM pipeline WHERE digest = $2)";

/// SQL for the builds of pipeline `$2` that measured component `$1`. The build with digest `$3` is not listed: it has no name,
/// and collects the sessions without a build number.
macro_rules! builds {
    ($select:literal, $join:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM component_build ",
            $join,
            " WHERE component_build.component_id = $1 AND component_build.pipeline_id = $2 \
            AND component_build.build_id NOT IN (SELECT id FROM build WHERE digest = $3)",
            $order
        )
    };
}

const COUNT_OF_BUILDS: &str = builds!("COUNT(*)", "", "");
const NAMES_OF_BUILDS: &str = builds!(
    "build.name",
    "JOIN build ON build.id = component_build.build_id",
    " ORDER BY component_build.first_metric_id LIMIT $4 OFFSET $5"
);

impl Builds {
    /// Returns the builds of this pipeline that measured this component; `None` if either is unknown.
    pub async fn of(db: &impl Source, component: &str, pipeline: &str) -> Result<Option<Self>, DbErr> {
        let digests = [digest_of(&[component]), digest_of(&[pipeline])];
        let keys = db.select::<(Option<i64>, Option<i64>), _>(COMPONENT_AND_PIPELINE, digests).await?.pop();
        Ok(keys.and_then(|(component, pipeline)| Some(Self { component: component?, pipeline: pipeline? })))
    }

    /// Returns the values of `$1` to `$3`.
    fn values(&self) -> [Value; 3] {
        [self.component.into(), self.pipeline.into(), digest_of(&[&self.pipeline.to_string(), ""])]
    }

    /// Returns the number of builds.
    pub async fn count(&self, db: &impl Source) -> Result<u64, DbErr> {
        let counts = db.select::<i64, _>(COUNT_OF_BUILDS, self.values()).await?;
        Ok(counts.first().map_or(0, |count| count.unsigned_abs()))
    }

    /// Returns the names of at most `limit` builds after the first `skip`, in order of the component's first metrics there.
    pub async fn names(&self, db: &impl Source, skip: u64, limit: u64) -> Result<Vec<String>, DbErr> {
        let [component, pipeline, unnamed] = self.values();
        let [limit, skip] = [limit, skip].map(|number| Value::from(i64::try_from(number).unwrap_or(i64::MAX)));
        db.select(NAMES_OF_BUILDS, [component, pipeline, unnamed, limit, skip]).await
    }
}

/// The hashes of the announced sessions of build `$3` in the pipeline with digest `$2` that measured the component with digest `$1`, in order of its first
/// metrics there.
const SESSIONS_OF_COMPONENT: &str = "SELECT session.hash FROM session \
    JOIN session_component ON session_component.session_id = session.id \
    WHERE session.announced IS NOT NULL AND session.build_id IN (SELECT id FROM build \
    WHERE pipeline_id IN (SELECT id FROM pipeline WHERE digest = $2) AND name = $3) \
    AND session_component.component_id = (SELECT id FROM component WHERE digest = $1) \
    ORDER BY session_component.first_metric_id";

/// Returns the hashes of the announced sessions of a build that measured `component`, in order of its first metrics there.
pub async fn sessions_of_component(
    db: &impl Source,
    component: &str,
    pipeline: &str,
    build: &str,
) -> Result<Vec<String>, DbErr> {
    db.select(SESSIONS_OF_COMPONENT, [digest_of(&[component]), digest_of(&[pipeline]), build.into()]).await
}
