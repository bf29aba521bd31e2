//! Tags: names and values that sessions bear.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject};
use entity::{session as session_row, tag as row};

use super::{
    Answer,
    filter::{Connectives, StringFilter, Where, check},
    node,
    object::graph_object,
    paging::{Of, listed_as_row},
    session::Session,
};
use crate::error::Error;

/// A stored tag.
pub struct Tag(pub Arc<row::Model>);

listed_as_row!(Tag, TagWhere);

graph_object! {
    /// A name and a value that sessions were tagged with.
    impl Tag {
        plain {
            /// The tag's key among all objects.
            fn id(&self) -> ID {
                node::global_id::<Self>(self.0.id)
            }

            /// The name.
            fn name(&self) -> &str {
                &self.0.name
            }

            /// The value; numbers and booleans as their JSON text.
            fn value(&self) -> &str {
                &self.0.value
            }
        }
    }
    /// The sessions that bear it.
    list sessions: Session = |tag| Of::Parent(session_row::OF_TAG, tag.0.id);
}

/// Which tags. Every condition given must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct TagWhere {
    /// All of these must hold.
    and: Option<Vec<TagWhere>>,
    /// At least one of these must hold.
    or: Option<Vec<TagWhere>>,
    /// This must not hold.
    not: Option<Box<TagWhere>>,
    /// The name.
    name: Option<StringFilter>,
    /// The value.
    value: Option<StringFilter>,
}

impl Where for TagWhere {
    type Filter = row::Filter;

    fn parts(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { name: check!(self.name, "name"), value: check!(self.value, "value") };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct TagQuery;

graph_object! {
    impl TagQuery {
        /// The tag with this id, null when there is none.
        async fn tag(&self, ctx: &Context<'_>, #[graphql(desc = "The tag's `id`.")] id: ID) -> Option<Answer<Tag>> {
            node::find_by_id(ctx, &id).await
        }
    }
    /// All tags.
    list tags: Tag = |_| Of::Everyone;
}
