//! Global IDs, which identify an object among all objects of the graph.

use async_graphql::{Context, ID, InputObject};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{filter::Number, list::Listable, query::Query as _};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{dataloader::loaders_of, filter::check_count, listed::Listed, loader_keys::RowById},
        state::state_of,
    },
};

/// Returns the global ID of the `T` whose row has this id.
pub fn global_id<T: Listed>(id: i64) -> ID {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}:{id}", T::type_name())).into()
}

/// Returns the name of the type and the id of the row that a global ID consists of.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if it is no global ID.
pub fn decode_global_id(argument: &str, id: &ID) -> Result<(String, i64), Error> {
    let decode = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(id.as_str()).ok()?).ok()?;
        let (name, row) = text.split_once(':')?;
        Some((name.to_owned(), row.parse().ok()?))
    };
    decode().ok_or_else(|| Error::bad_input(format!("{argument}: '{}' is no id of this server", id.as_str())))
}

/// Returns the id of the row of a `T`.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if it is no global ID, or one of another type.
pub fn decode_id_of<T: Listed>(argument: &str, id: &ID) -> Result<i64, Error> {
    decode_id_named(argument, &T::type_name(), id)
}

/// Returns the id of the row of an object of this type.
fn decode_id_named(argument: &str, type_name: &str, id: &ID) -> Result<i64, Error> {
    match decode_global_id(argument, id)? {
        (name, row) if name == type_name => Ok(row),
        (name, _) => Err(Error::bad_input(format!("{argument}: this is the id of a {name}, not of a {type_name}"))),
    }
}

/// Filter for an object by its global ID. All given conditions must match.
#[derive(Debug, Clone, InputObject)]
pub struct IdFilter {
    /// The object with this global ID.
    eq: Option<ID>,
    /// One of the objects with these global IDs, at most 1000.
    #[graphql(name = "in")]
    any_of: Option<Vec<ID>>,
}

impl IdFilter {
    /// Checks that the IDs are of this type. `field` names the filter in the error. `None` if it has no condition.
    pub fn check(self, type_name: &str, field: &str) -> Result<Option<Number<i64>>, Error> {
        let Self { eq, any_of } = self;
        check_count(any_of.as_deref(), field)?;
        let key = |name: &str, id: &ID| decode_id_named(&format!("{field}.{name}"), type_name, id);
        let any_of = any_of.map(|ids| ids.iter().map(|id| key("in", id)).collect::<Result<_, _>>());
        let eq = eq.as_ref().map(|id| key("eq", id)).transpose()?;
        let number = Number { eq, any_of: any_of.transpose()?, ..Number::default() };
        Ok(Some(number).filter(|number| *number != Number::default()))
    }
}

/// Returns the object with this row id, if it exists.
pub async fn find<T: Listed>(ctx: &Context<'_>, id: i64) -> Result<Option<T>, Error> {
    match loaders_of(ctx).load(RowById::<T::Entity>::new(id)).await? {
        Some(row) => Ok(T::from_rows(ctx, vec![row]).await?.pop()),
        None => Ok(None),
    }
}

/// Resolves a nullable field to the `T` with this global ID.
pub async fn find_by_id<T: Listed>(ctx: &Context<'_>, id: &ID) -> Option<FieldResult<T>> {
    match decode_id_of::<T>("id", id) {
        Ok(row) => find(ctx, row).await.map_err(Into::into).transpose(),
        Err(error) => Some(Err(error.into())),
    }
}

/// Resolves a nullable field to the first object that matches.
pub async fn find_first<T: Listed>(
    ctx: &Context<'_>,
    filter: <T::Entity as Listable>::Filter,
) -> Option<FieldResult<T>> {
    let rows = T::Entity::page(&state_of(ctx).database.store, &filter.into(), 1, 1).await;
    let found = match rows {
        Ok(rows) => T::from_rows(ctx, rows).await,
        Err(error) => Err(error.into()),
    };
    found.map(|mut objects| objects.pop()).map_err(Into::into).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use async_graphql::ID;

    use crate::{
        error::Code,
        graphql::schema::{
            global_id::{decode_global_id, decode_id_of, global_id},
            pipeline::Pipeline,
            tag::Tag,
        },
    };

    #[test]
    fn a_global_id_names_type_and_row() {
        let id = global_id::<Tag>(7);
        assert_eq!(decode_global_id("id", &id).unwrap(), ("Tag".to_owned(), 7));
        assert_eq!(decode_id_of::<Tag>("id", &id).unwrap(), 7);
        assert_eq!(decode_id_of::<Pipeline>("id", &id).unwrap_err().code, Code::BadUserInput);
    }

    #[test]
    fn other_texts_are_no_global_ids() {
        // Not base64; base64 of `Tag`; of `Tag:x`; of bytes that are no UTF-8.
        for text in ["", "!", "VGFn", "VGFnOng", "_w"] {
            assert_eq!(decode_global_id("id", &ID::from(text)).unwrap_err().code, Code::BadUserInput, "{text}");
        }
    }
}
