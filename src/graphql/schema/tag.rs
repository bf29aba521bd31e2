//! Tags: names and values that sessions bear.

use std::{collections::HashMap, ops::Range, sync::Arc};

use async_graphql::{Context, ID, InputObject, parser::types::SelectionSet};
use entity::{edges, table::tag as row};
use futures_util::future::BoxFuture;

use crate::{
    error::Error,
    graphql::{
        error::Answer,
        lists::{
            connection::{Of, listed_as_row},
            dataloader::{known, loaders_of},
            filter::{Connectives, StringFilter, Where, check},
            json_writer::{Leads, Place, Texts, WriteEdge, suits, write},
            loader_keys::{TagOf, TagsOf},
            object::graph_object,
        },
        schema::{node, session::Session},
        state::{Known, served},
    },
};

/// A stored tag.
pub struct Tag(pub Arc<row::Model>);

listed_as_row!(Tag, TagWhere);

graph_object! {
    /// A session tag: a name and a value.
    impl Tag {
        plain {
            /// Global ID of the tag.
            fn id(&self) -> ID {
                node::global_id::<Self>(self.0.id)
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
    list sessions: Session = |tag| Of::Parent(edges::SESSIONS_OF_TAG, tag.0.id);
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

    fn parts(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { name: check!(self.name, "name"), value: check!(self.value, "value") };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct TagQuery;

graph_object! {
    impl TagQuery {
        /// The tag with this global ID. Null if there is none.
        async fn tag(&self, ctx: &Context<'_>, #[graphql(desc = "The `id` of the tag.")] id: ID) -> Option<Answer<Tag>> {
            node::find_by_id(ctx, &id).await
        }
    }
    /// All tags.
    list tags: Tag = |_| Of::Everyone;
}

/// The tags of sessions, each tag written once.
pub struct TagsOfSessions;

impl Leads<Session> for TagsOfSessions {
    fn suits(&self, set: &SelectionSet) -> bool {
        suits::<Tag>(set)
    }

    fn follow<'a>(&'a self, place: Place<'a>, sessions: &'a [Session]) -> BoxFuture<'a, Answer<WriteEdge<Session>>> {
        Box::pin(async move {
            let known_now = served(place.ctx).known();
            let Known { tags, session_tags, .. } = &*known_now;
            let ids = sessions.iter().map(Session::key);
            let lists = known(loaders_of(place.ctx), session_tags, ids.clone(), TagsOf).await?;
            let mut keys: Vec<i64> = lists.iter().flat_map(|keys| keys.iter().copied()).collect();
            keys.sort_unstable();
            keys.dedup();
            let tags = known(loaders_of(place.ctx), tags, keys.iter().copied(), TagOf).await?;
            let tags: Vec<Tag> = tags.into_iter().map(Tag).collect();
            let Texts { json, places } = write(place, &tags).await?;
            let places: HashMap<i64, Range<usize>> = keys.into_iter().zip(places).collect();
            let lists: HashMap<i64, _> = ids.zip(lists).collect();
            Ok(Box::new(move |session: &Session, out: &mut Vec<u8>| {
                out.push(b'[');
                for (i, tag) in lists[&session.key()].iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&json[places[tag].clone()]);
                }
                out.push(b']');
            }) as WriteEdge<Session>)
        })
    }
}
