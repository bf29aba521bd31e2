//! Relay's `Node` interface: fetches any object by its global ID.

use async_graphql::{Context, ID, Interface, Object};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        limits::MAX_NODE_IDS,
        schema::{
            branch::Branch,
            build::Build,
            component::Component,
            execution_context::ExecutionContext,
            global_id::{decode_global_id, find},
            item::Item,
            machine_class::MachineClass,
            metric::Metric,
            pipeline::Pipeline,
            project::Project,
            run::Run,
            session::Session,
            tag::Tag,
            variant::Variant,
        },
    },
};

/// An object that can be fetched by its global ID.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global ID of the object."))]
pub enum Node {
    Session(Session),
    ExecutionContext(ExecutionContext),
    Metric(Metric),
    Component(Component),
    Item(Item),
    Variant(Variant),
    Pipeline(Pipeline),
    Build(Build),
    Tag(Tag),
    Project(Project),
    Branch(Branch),
    Run(Run),
    MachineClass(MachineClass),
}

async fn node(ctx: &Context<'_>, argument: &str, id: &ID) -> Result<Option<Node>, Error> {
    let (name, row) = decode_global_id(argument, id)?;
    Ok(match name.as_str() {
        "Session" => find(ctx, row).await?.map(Node::Session),
        "ExecutionContext" => find(ctx, row).await?.map(Node::ExecutionContext),
        "Metric" => find(ctx, row).await?.map(Node::Metric),
        "Component" => find(ctx, row).await?.map(Node::Component),
        "Item" => find(ctx, row).await?.map(Node::Item),
        "Variant" => find(ctx, row).await?.map(Node::Variant),
        "Pipeline" => find(ctx, row).await?.map(Node::Pipeline),
        "Build" => find(ctx, row).await?.map(Node::Build),
        "Tag" => find(ctx, row).await?.map(Node::Tag),
        "Project" => find(ctx, row).await?.map(Node::Project),
        "Branch" => find(ctx, row).await?.map(Node::Branch),
        "Run" => find(ctx, row).await?.map(Node::Run),
        "MachineClass" => find(ctx, row).await?.map(Node::MachineClass),
        _ => return Err(Error::bad_input(format!("{argument}: '{}' is no id of this server", id.as_str()))),
    })
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this global ID. Null if there is none.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A global ID: the `id` of any object.")] id: ID,
    ) -> Option<FieldResult<Node>> {
        node(ctx, "id", &id).await.map_err(Into::into).transpose()
    }

    /// The objects with these global IDs, in the given order. Null for each that does not exist.
    #[graphql(complexity = "crate::graphql::lists::cost::cost(i64::try_from(ids.len()).ok(), None, child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global IDs of any objects, at most 500.")] ids: Vec<ID>,
    ) -> FieldResult<Vec<Option<FieldResult<Node>>>> {
        if ids.len() > MAX_NODE_IDS {
            return Err(Error::bad_input(format!("ids: at most {MAX_NODE_IDS} at a time")).into());
        }
        let found = ids.iter().map(async |id| node(ctx, "ids", id).await.map_err(Into::into).transpose());
        Ok(futures_util::future::join_all(found).await)
    }
}
