//! A group of metrics.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, Object};
use entity::{
    query::groups::{Dimension as Grouped, Group, GroupBy as By, Selected, Thing},
    table::{
        branch, build, component, execution_context, item, machine_class, pipeline, project, run, session, variant,
    },
    time,
};

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        lists::{
            dataloader::loaders_of,
            loader_keys::{HashById, RowById, load_row},
        },
        response_budget::{ResponseSize as _, budget_of},
        scalars::{Int, LocalDateTime},
        schema::{
            branch::Branch,
            build::Build,
            component::Component,
            dimension::Dimension,
            execution_context::ExecutionContext,
            item::Item,
            machine_class::MachineClass,
            metric_group_cursor::encode_cursor,
            pipeline::Pipeline,
            project::Project,
            run::Run,
            session::Session,
            statistics::{MetricStatistics, Resource},
            variant::Variant,
        },
    },
};

/// Whether a test passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Outcome {
    /// The test passed.
    Passed,
    /// The test failed.
    Failed,
}

/// What all groups of a list have in common.
pub struct Shared {
    pub by: Vec<By>,
    pub selected: Selected,
    /// The name of the list. Cursors contain it, so that those of another list are rejected.
    pub list: String,
    /// The arguments of fields of groups, for the JSON writer, by the response names of the path from the list to the field.
    pub arguments: HashMap<String, Argument>,
}

/// An argument of a field of a group.
#[derive(Debug, Clone)]
pub enum Argument {
    /// Of `stats`: the index of the resource in [`Selected::resources`].
    Resource(usize),
    /// Of `percentile`.
    Percentile(f64),
    /// Of `distinct`: the index in [`Selected::distinct`].
    Distinct(usize),
}

/// A group of metrics.
pub struct MetricGroup {
    pub(crate) group: Group,
    pub(crate) shared: Arc<Shared>,
}

impl MetricGroup {
    /// Returns its cursor.
    pub fn cursor(&self) -> String {
        encode_cursor(&self.shared.list, &self.group.position)
    }

    /// Returns what the metrics have in common in a dimension, if they are grouped by it.
    pub fn thing(&self, by: Grouped) -> Option<&Thing> {
        let index = self.shared.by.iter().position(|other| *other == By::By(by))?;
        self.group.things.get(index)
    }

    /// Returns the key of the row that the metrics have in common in a dimension, if there is one.
    pub fn row(&self, by: Grouped) -> Option<i64> {
        if let Some(Thing::Row(row)) = self.thing(by) { Some(*row) } else { None }
    }

    /// Returns whether the tests passed, if that is what they have in common.
    pub fn passed(&self) -> Option<Outcome> {
        match self.thing(Grouped::Outcome)? {
            Thing::Passed(passed) => Some(if *passed { Outcome::Passed } else { Outcome::Failed }),
            _ => None,
        }
    }

    /// Returns the first moment of the period in which the tests began, in microseconds.
    pub fn since(&self) -> Option<i64> {
        self.group.things.iter().find_map(|thing| if let Thing::Since(since) = thing { Some(*since) } else { None })
    }

    /// Returns the value of the tag `name`, or of the only one.
    ///
    /// # Errors
    /// [`Code::BadUserInput`] if there are several.
    pub fn tag_named(&self, name: Option<&str>) -> Result<Option<&Thing>, Error> {
        let is_it = |by: &By| matches!(by, By::Tag(tag) if name.is_none_or(|name| name == tag));
        let things = self.shared.by.iter().zip(&self.group.things);
        let mut found = things.filter(|(by, _)| is_it(by)).map(|(_, thing)| thing);
        let first = found.next();
        if found.next().is_some() {
            return Err(Error::bad_input("name: the metrics are grouped by several tags: give the name of one"));
        }
        Ok(first)
    }

    /// Returns the text of a thing, charged to the response.
    fn text<'a>(ctx: &Context<'_>, thing: Option<&'a Thing>) -> FieldResult<Option<&'a str>> {
        let Some(Thing::Text(text)) = thing else { return Ok(None) };
        budget_of(ctx).charge(text.len())?;
        Ok(Some(text))
    }

    /// Returns a time of microseconds, charged to the response.
    fn time(ctx: &Context<'_>, micros: Option<i64>) -> FieldResult<Option<LocalDateTime>> {
        let time = micros.map(|micros| LocalDateTime(time::LocalDateTime::from_parts(micros, None)));
        budget_of(ctx).charge(time.bytes())?;
        Ok(time)
    }
}

/// Metrics that have in common what they are grouped by. Fields of what they are not grouped by are null.
#[Object]
impl MetricGroup {
    /// Their project, if grouped by PROJECT. Null until their session is announced.
    async fn project(&self, ctx: &Context<'_>) -> Option<FieldResult<Project>> {
        Some(load_row::<project::Entity>(ctx, self.row(Grouped::Project)?).await.map(Project))
    }

    /// Their component, if grouped by COMPONENT.
    async fn component(&self, ctx: &Context<'_>) -> Option<FieldResult<Component>> {
        let row = self.row(Grouped::Component)?;
        Some(load_row::<component::Entity>(ctx, row).await.map(Component))
    }

    /// Their test function, if grouped by ITEM.
    async fn item(&self, ctx: &Context<'_>) -> Option<FieldResult<Item>> {
        Some(load_row::<item::Entity>(ctx, self.row(Grouped::Item)?).await.map(Item))
    }

    /// Their test function with its parameters, if grouped by VARIANT.
    async fn variant(&self, ctx: &Context<'_>) -> Option<FieldResult<Variant>> {
        Some(load_row::<variant::Entity>(ctx, self.row(Grouped::Variant)?).await.map(Variant))
    }

    /// What was measured, if grouped by KIND: `function` or `module`.
    async fn kind(&self, ctx: &Context<'_>) -> FieldResult<Option<&str>> {
        Self::text(ctx, self.thing(Grouped::Kind))
    }

    /// Their session, if grouped by SESSION. Null until it is announced.
    async fn session(&self, ctx: &Context<'_>) -> Option<FieldResult<Session>> {
        let row = loaders_of(ctx).load(RowById::<session::Entity>::new(self.row(Grouped::Session)?)).await;
        row.map(|row| row.and_then(Session::announced)).map_err(Into::into).transpose()
    }

    /// Hash of their session, which may not have been announced yet, if grouped by SESSION.
    async fn session_hash(&self, ctx: &Context<'_>) -> Option<FieldResult<String>> {
        let key = HashById(RowById::<session::Entity>::new(self.row(Grouped::Session)?));
        let hash = loaders_of(ctx).load(key).await;
        hash.map(|hash| hash.map(|hash| hash.to_string())).map_err(Into::into).transpose()
    }

    /// Their run, if grouped by RUN. Null until their session is announced.
    async fn run(&self, ctx: &Context<'_>) -> Option<FieldResult<Run>> {
        Some(load_row::<run::Entity>(ctx, self.row(Grouped::Run)?).await.map(Run))
    }

    /// Their pipeline, if grouped by PIPELINE. Null for sessions without one.
    async fn pipeline(&self, ctx: &Context<'_>) -> Option<FieldResult<Pipeline>> {
        Some(load_row::<pipeline::Entity>(ctx, self.row(Grouped::Pipeline)?).await.map(Pipeline))
    }

    /// Their build, if grouped by BUILD. Null for sessions without one.
    async fn build(&self, ctx: &Context<'_>) -> Option<FieldResult<Build>> {
        Some(load_row::<build::Entity>(ctx, self.row(Grouped::Build)?).await.map(Build))
    }

    /// Their branch, if grouped by BRANCH. Null for sessions without one.
    async fn branch(&self, ctx: &Context<'_>) -> Option<FieldResult<Branch>> {
        Some(load_row::<branch::Entity>(ctx, self.row(Grouped::Branch)?).await.map(Branch))
    }

    /// The revision under test, if grouped by `SCM_REF`. Null for sessions without one.
    async fn scm_ref(&self, ctx: &Context<'_>) -> FieldResult<Option<&str>> {
        Self::text(ctx, self.thing(Grouped::ScmRef))
    }

    /// Their execution context, if grouped by CONTEXT. Null until it is announced.
    async fn context(&self, ctx: &Context<'_>) -> Option<FieldResult<ExecutionContext>> {
        let row = loaders_of(ctx).load(RowById::<execution_context::Entity>::new(self.row(Grouped::Context)?)).await;
        row.map(|row| row.and_then(ExecutionContext::announced)).map_err(Into::into).transpose()
    }

    /// Hash of their execution context, which may not have been announced yet, if grouped by CONTEXT.
    async fn context_hash(&self, ctx: &Context<'_>) -> Option<FieldResult<String>> {
        let key = HashById(RowById::<execution_context::Entity>::new(self.row(Grouped::Context)?));
        let hash = loaders_of(ctx).load(key).await;
        hash.map(|hash| hash.map(|hash| hash.to_string())).map_err(Into::into).transpose()
    }

    /// Network name of their machine, if grouped by MACHINE. Null until their context is announced.
    async fn machine(&self, ctx: &Context<'_>) -> FieldResult<Option<&str>> {
        Self::text(ctx, self.thing(Grouped::Machine))
    }

    /// The class of their machine, if grouped by `MACHINE_CLASS`. Null until their context is announced.
    async fn machine_class(&self, ctx: &Context<'_>) -> Option<FieldResult<MachineClass>> {
        Some(load_row::<machine_class::Entity>(ctx, self.row(Grouped::MachineClass)?).await.map(MachineClass))
    }

    /// Whether the tests passed, if grouped by OUTCOME. Null if not sent; the plugin never sends it.
    async fn outcome(&self) -> Option<Outcome> {
        self.passed()
    }

    /// The value of a tag of their sessions, if grouped by it. Null for sessions without the tag.
    async fn tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Name of the tag. Needed only if the metrics are grouped by several tags.")] name: Option<
            String,
        >,
    ) -> FieldResult<Option<&str>> {
        Self::text(ctx, self.tag_named(name.as_deref())?)
    }

    /// The period in which the tests began, if grouped by time: its first moment.
    async fn bucket(&self, ctx: &Context<'_>) -> FieldResult<Option<LocalDateTime>> {
        Self::time(ctx, self.since())
    }

    /// Number of metrics.
    async fn metric_count(&self) -> Int {
        self.group.count.into()
    }

    /// Number of distinct things that they belong to; metrics that belong to none are not counted.
    async fn distinct(&self, #[graphql(desc = "Of what.")] of: Dimension) -> Int {
        let index = self.shared.selected.distinct.iter().position(|other| *other == of.into());
        index.and_then(|index| self.group.distinct.get(index)).copied().unwrap_or_default().into()
    }

    /// When the first test began, on the clock of its machine.
    async fn first_seen(&self, ctx: &Context<'_>) -> FieldResult<Option<LocalDateTime>> {
        Self::time(ctx, self.group.seen.map(|(first, _)| first))
    }

    /// When the last test began, on the clock of its machine.
    async fn last_seen(&self, ctx: &Context<'_>) -> FieldResult<Option<LocalDateTime>> {
        Self::time(ctx, self.group.seen.map(|(_, last)| last))
    }

    /// Statistics of a resource.
    async fn stats(&self, #[graphql(desc = "The resource.")] resource: Resource) -> FieldResult<MetricStatistics> {
        let selected = &self.shared.selected;
        let index = selected.resources.iter().position(|(other, ..)| *other == resource.into());
        let found = index.and_then(|index| Some((index, self.group.statistics.get(index)?.clone())));
        let (index, statistics) = found.ok_or_else(|| Error::new(Code::Internal, "this was not computed"))?;
        let share = self.group.shares.get(index).copied().flatten();
        Ok(MetricStatistics::computed(selected, index, statistics, share))
    }
}
