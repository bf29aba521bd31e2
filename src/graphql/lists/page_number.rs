//! Page numbers, which count from either end of a list.

use crate::error::{Code, Error};

/// Returns the page, counted from 1, that `number` refers to. Default: 1. Negative numbers count from the last page. Page 1
/// exists even if there are no rows.
///
/// # Errors
/// [`Code::NotFound`] for 0 and for a page past either end.
pub fn page_number(number: Option<i64>, total_count: u64, size: u64) -> Result<u64, Error> {
    let given = number.unwrap_or(1);
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

/// Returns the rows of page `number`, and the number of rows on all pages. If the page does not depend on the number of rows,
/// both are queried concurrently.
///
/// # Errors
/// Those of [`page_number`], `count` and `page`.
pub async fn page_with_count<R>(
    count: impl Future<Output = Result<u64, Error>>,
    page: impl AsyncFnOnce(u64) -> Result<Vec<R>, Error>,
    number: Option<i64>,
    size: u64,
) -> Result<(Vec<R>, u64), Error> {
    match u64::try_from(number.unwrap_or(1)) {
        Ok(given @ 1..) if given.checked_mul(size).is_some_and(|rows| i64::try_from(rows).is_ok()) => {
            let (total, rows) = futures_util::try_join!(count, page(given))?;
            // Rows that were stored between the two queries are on no page yet.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use crate::{
        error::{Code, Error},
        graphql::lists::page_number::{page_number, page_with_count},
    };

    #[test]
    fn pages_count_from_either_end() {
        assert_eq!(page_number(None, 25, 10).unwrap(), 1);
        assert_eq!(page_number(Some(3), 25, 10).unwrap(), 3);
        assert_eq!(page_number(Some(-1), 25, 10).unwrap(), 3);
        assert_eq!(page_number(Some(-3), 25, 10).unwrap(), 1);
    }

    #[test]
    fn an_empty_list_has_one_page() {
        assert_eq!((page_number(Some(1), 0, 10).unwrap(), page_number(Some(-1), 0, 10).unwrap()), (1, 1));
        assert_eq!(page_number(Some(2), 0, 10).unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn pages_past_either_end_do_not_exist() {
        for number in [0, 4, -4, i64::MIN, i64::MAX] {
            assert_eq!(page_number(Some(number), 25, 10).unwrap_err().code, Code::NotFound, "{number}");
        }
    }

    #[tokio::test]
    async fn a_count_that_is_newer_than_the_page_does_not_exceed_it() {
        let page = async |number| Ok::<_, Error>(vec![number; 5]);
        assert_eq!(page_with_count(async { Ok(26) }, page, Some(3), 10).await.unwrap(), (vec![3; 5], 25));
        assert_eq!(page_with_count(async { Ok(25) }, page, Some(-2), 10).await.unwrap(), (vec![2; 5], 25));
    }
}
