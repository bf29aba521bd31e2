//! Numbers of pages, from either end of a list.

use crate::error::{Code, Error};

/// The page that `given` names, counted from 1, the first when nothing is given: negative numbers count from the end, page 1 is always there.
///
/// # Errors
/// [`Code::NotFound`] for 0 and for a page past either end.
pub fn page_number(given: Option<i64>, total_count: u64, size: u64) -> Result<u64, Error> {
    let given = given.unwrap_or(1);
    let pages = total_count.div_ceil(size).max(1);
    let number = if given < 0 {
        i64::try_from(pages).unwrap_or(i64::MAX).saturating_add(given).saturating_add(1)
    } else {
        given
    };
    match u64::try_from(number) {
        Ok(number @ 1..) if number <= pages => Ok(number),
        _ => {
            let message =
                format!("page: there is no page {given}; the pages are 1 to {pages}, or -1 to -{pages} from the end");
            Err(Error::new(Code::NotFound, message))
        }
    }
}

/// The rows of the page that `number` names, and how many rows all pages have. Where the number can be taken as it stands, both
/// are asked for at once.
///
/// # Errors
/// Those of [`page_number`], `count` and `page`.
pub async fn counted<R>(
    count: impl Future<Output = Result<u64, Error>>,
    page: impl AsyncFnOnce(u64) -> Result<Vec<R>, Error>,
    number: Option<i64>,
    size: u64,
) -> Result<(Vec<R>, u64), Error> {
    match u64::try_from(number.unwrap_or(1)) {
        Ok(given @ 1..) if given.checked_mul(size).is_some_and(|rows| i64::try_from(rows).is_ok()) => {
            let (total, rows) = futures_util::try_join!(count, page(given))?;
            // What came to be known in between is on no page yet.
            let seen = (given - 1) * size + rows.len() as u64;
            let total = if (rows.len() as u64) < size { total.min(seen) } else { total };
            page_number(number, total, size)?;
            Ok((rows, total))
        }
        _ => {
            let total = count.await?;
            Ok((page(page_number(number, total, size)?).await?, total))
        }
    }
}
