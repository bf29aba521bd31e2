//! Tags: names and values attached to sessions.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject};
use entity::{
    edges,
    table::{session as session_row, tag as row},
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, StringFilter, Where, check},
            listed::listed_as_row,
            object::graph_object,
        },
        schema::global_id::{find_by_id, global_id},
    },
};

/// A stored tag.
pub struct Tag(pub Arc<row::Model>);

listed_as_row!(Tag, TagWhere);

graph_object! {
    /// A session tag: a name and a value.
    impl Tag {
        scalars {
            /// Global ID of the tag.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The name.
            fn name(&self) -> &str {
                &self.0.name
            }

            /// The value. Numbers and booleans are given as JSON text.
            fn value(&self) -> &str {
                &self.0.value
            }
        }
    }
    /// The sessions with this tag.
    list sessions: session_row::Entity = |tag| Parent::Row(edges::SESSIONS_OF_TAG, tag.0.id);
}

/// Filter for tags. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct TagWhere {
    /// All of these filters must match.
    and: Option<Vec<TagWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<TagWhere>>,
    /// This filter must not match.
    not: Option<Box<TagWhere>>,
    /// Filter by name.
    name: Option<StringFilter>,
    /// Filter by value.
    value: Option<StringFilter>,
}

impl Where for TagWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { name: check!(self.name, "name"), value: check!(self.value, "value") };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct TagQuery;

graph_object! {
    impl TagQuery {
        /// The tag with this global ID. Null if there is none.
        async fn tag(&self, ctx: &Context<'_>, #[graphql(desc = "The `id` of the tag.")] id: ID) -> Option<FieldResult<Tag>> {
            find_by_id(ctx, &id).await
        }
    }
    /// All tags.
    list tags: row::Entity = |_| Parent::Root;
}
