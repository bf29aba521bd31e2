//! Global ids: what an object is called among all objects, and found by.

use async_graphql::{Context, ID};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::list::{self, Noun};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{dataloader::loaders_of, listed::Listed, loader_keys::Row},
        state::state_of,
    },
};

/// The key of the row `id` among all objects.
pub fn global_id<T: Listed>(id: i64) -> ID {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}:{id}", T::type_name())).into()
}

/// The type and the row that a key names.
pub fn read_id(argument: &str, id: &ID) -> Result<(String, i64), Error> {
    let read = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(id.as_str()).ok()?).ok()?;
        let (name, row) = text.split_once(':')?;
        Some((name.to_owned(), row.parse().ok()?))
    };
    read().ok_or_else(|| Error::bad_input(format!("{argument}: '{}' is no id of this server", id.as_str())))
}

/// The row of a `T` that a key names.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] for a key of another type.
pub fn row_id<T: Listed>(argument: &str, id: &ID) -> Result<i64, Error> {
    match read_id(argument, id)? {
        (name, row) if name == T::type_name() => Ok(row),
        (name, _) => {
            Err(Error::bad_input(format!("{argument}: this is the id of a {name}, not of a {}", T::type_name())))
        }
    }
}

/// The object with this key, where it is there.
pub async fn find<T: Listed>(ctx: &Context<'_>, id: i64) -> Result<Option<T>, Error> {
    match loaders_of(ctx).load(Row::<T::Entity>::key(id)).await? {
        Some(row) => Ok(T::from_rows(ctx, vec![row]).await?.pop()),
        None => Ok(None),
    }
}

/// The object of one type that a key names, as a nullable field gives it.
pub async fn find_by_id<T: Listed>(ctx: &Context<'_>, id: &ID) -> Option<FieldResult<T>> {
    match row_id::<T>("id", id) {
        Ok(row) => find(ctx, row).await.map_err(Into::into).transpose(),
        Err(error) => Some(Err(error.into())),
    }
}

/// The first object that matches, as a nullable field gives it.
pub async fn find_first<T: Listed>(ctx: &Context<'_>, filter: <T::Entity as Noun>::Filter) -> Option<FieldResult<T>> {
    let rows = list::page::<T::Entity>(&state_of(ctx).database.reader, &filter.into(), 1, 1).await;
    let found = match rows {
        Ok(rows) => T::from_rows(ctx, rows).await,
        Err(error) => Err(error.into()),
    };
    found.map(|mut objects| objects.pop()).map_err(Into::into).transpose()
}
