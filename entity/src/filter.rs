//! Filters: conditions on single columns, and trees of them. All fields that are set must match.

use sea_orm::{
    EntityTrait,
    sea_query::{Condition, Expr, ExprTrait as _, Func, Value},
};

use crate::dialect::Engine;

/// A condition on a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    /// Exactly this.
    pub eq: Option<String>,
    /// One of these. An empty list matches nothing.
    pub any_of: Option<Vec<String>>,
    /// SQL LIKE patterns, all of which must match: `%` is any text, `_` any character. ASCII letters match in either case;
    /// there is no escape character.
    pub like: Vec<String>,
    /// This, then anything.
    pub starts_with: Option<String>,
}

impl Text {
    /// Returns a filter for exactly `text`.
    pub fn equals(text: impl Into<String>) -> Self {
        Self { eq: Some(text.into()), ..Self::default() }
    }

    /// Returns the condition on the name of an entity with a `digest` column, by which exact names are looked up.
    pub fn on_name<E: EntityTrait>(&self, name: E::Column, engine: Engine) -> Condition {
        let digest = || Expr::col((E::default(), "digest"));
        let of = |text: &String| crate::digest::digest(&[text]).to_vec();
        let Self { eq, any_of, like, starts_with } = self;
        let rest = Self { like: like.clone(), starts_with: starts_with.clone(), ..Self::default() };
        rest.on(crate::column::of(name), engine)
            .add_option(eq.as_ref().map(|text| digest().eq(of(text))))
            .add_option(any_of.as_ref().map(|texts| digest().is_in(texts.iter().map(of))))
    }

    /// Returns whether `text` matches; `None` if only the database can decide, because of patterns.
    pub fn matches(&self, text: &str) -> Option<bool> {
        let Self { eq, any_of, like, starts_with } = self;
        let is_it = eq.as_ref().is_none_or(|eq| eq == text)
            && any_of.as_ref().is_none_or(|any| any.iter().any(|one| one == text))
            && starts_with.as_ref().is_none_or(|prefix| text.starts_with(prefix));
        if is_it && !like.is_empty() { None } else { Some(is_it) }
    }

    /// Returns the condition on `column`.
    pub fn on(&self, column: impl Into<Expr>, engine: Engine) -> Condition {
        let column = column.into();
        let Self { eq, any_of, like, starts_with } = self;
        let mut all = Condition::all();
        for pattern in like {
            all = all.add(engine.like(column.clone(), pattern));
        }
        all.add_option(eq.as_ref().map(|text| column.clone().eq(text)))
            .add_option(any_of.as_ref().map(|texts| column.clone().is_in(texts)))
            .add_option(starts_with.as_ref().map(|prefix| has_prefix(&column, prefix, engine)))
    }
}

/// Number of characters of a text in a prefix index.
const PREFIX_LENGTH: usize = 64;

/// Returns the condition that `column` starts with `prefix`: an exact comparison, and a range that a prefix index can answer.
fn has_prefix(column: &Expr, prefix: &str, engine: Engine) -> Condition {
    let length = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
    let start = Func::cust("substr").args([column.clone(), Expr::val(1), Expr::val(length)]);
    let least: String = prefix.chars().take(PREFIX_LENGTH).collect();
    let rest = PREFIX_LENGTH - least.chars().count();
    let greatest: String = least.chars().chain(std::iter::repeat_n(char::MAX, rest)).collect();
    Condition::all()
        .add(Expr::from(start).eq(prefix))
        .add(engine.head(column.clone()).gte(least))
        .add(engine.head(column.clone()).lte(greatest))
}

/// A condition on a number, or on a time in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Number<T> {
    /// Exactly this.
    pub eq: Option<T>,
    /// One of these. An empty list matches nothing.
    pub any_of: Option<Vec<T>>,
    /// More than this.
    pub gt: Option<T>,
    /// This or more.
    pub gte: Option<T>,
    /// Less than this.
    pub lt: Option<T>,
    /// This or less.
    pub lte: Option<T>,
}

impl<T> Default for Number<T> {
    fn default() -> Self {
        Self { eq: None, any_of: None, gt: None, gte: None, lt: None, lte: None }
    }
}

impl<T: PartialOrd> Number<T> {
    /// Returns whether `number` matches.
    pub fn matches(&self, number: &T) -> bool {
        let Self { eq, any_of, gt, gte, lt, lte } = self;
        eq.as_ref().is_none_or(|eq| number == eq)
            && any_of.as_ref().is_none_or(|any| any.contains(number))
            && gt.as_ref().is_none_or(|gt| number > gt)
            && gte.as_ref().is_none_or(|gte| number >= gte)
            && lt.as_ref().is_none_or(|lt| number < lt)
            && lte.as_ref().is_none_or(|lte| number <= lte)
    }
}

impl<T: Into<Value> + Copy> Number<T> {
    /// Returns the condition on `column`.
    pub fn on(&self, column: impl Into<Expr>) -> Condition {
        let column = column.into();
        let Self { eq, any_of, gt, gte, lt, lte } = self;
        Condition::all()
            .add_option(eq.map(|n| column.clone().eq(n)))
            .add_option(any_of.as_ref().map(|all| column.clone().is_in(all.iter().copied())))
            .add_option(gt.map(|n| column.clone().gt(n)))
            .add_option(gte.map(|n| column.clone().gte(n)))
            .add_option(lt.map(|n| column.clone().lt(n)))
            .add_option(lte.map(|n| column.clone().lte(n)))
    }
}

/// Returns the conjunction in three-valued logic, where `None` is unknown.
pub(crate) fn all(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return part,
            None => all = None,
        }
    }
    all
}

/// Returns the disjunction in three-valued logic.
pub(crate) fn any(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    not(all(parts.into_iter().map(not)))
}

/// Returns the negation in three-valued logic.
fn not(part: Option<bool>) -> Option<bool> {
    part.map(|holds| !holds)
}

/// A filter of one table with `and`, `or` and `not`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree<F> {
    /// Conditions on columns, all of which must match.
    pub own: F,
    /// All of these must match.
    pub and: Vec<Tree<F>>,
    /// At least one of these must match, if the list is given.
    pub or: Option<Vec<Tree<F>>>,
    /// This must not match.
    pub not: Option<Box<Tree<F>>>,
}

impl<F: Default> Default for Tree<F> {
    fn default() -> Self {
        F::default().into()
    }
}

impl<F> From<F> for Tree<F> {
    fn from(own: F) -> Self {
        Self { own, and: Vec::new(), or: None, not: None }
    }
}

impl<F> Tree<F> {
    /// Returns whether all conditions on columns meet `leaf`.
    pub fn all(&self, leaf: &impl Fn(&F) -> bool) -> bool {
        let mut parts = self.and.iter().chain(self.or.iter().flatten()).chain(self.not.as_deref());
        leaf(&self.own) && parts.all(|tree| tree.all(leaf))
    }

    /// Returns whether the tree is a single leaf.
    pub fn is_plain(&self) -> bool {
        self.and.is_empty() && self.or.is_none() && self.not.is_none()
    }

    /// Returns the condition of the tree; `leaf` builds the conditions on columns.
    pub fn on(&self, leaf: &impl Fn(&F) -> Condition) -> Condition {
        let mut all = Condition::all().add(leaf(&self.own));
        for tree in &self.and {
            all = all.add(tree.on(leaf));
        }
        if let Some(or) = &self.or {
            // An empty list has no alternative that could match.
            let any = or.iter().fold(Condition::any(), |any, tree| any.add(tree.on(leaf)));
            all = if or.is_empty() { all.add(Expr::cust("1 = 0")) } else { all.add(any) };
        }
        // Comparisons with NULL are unknown, which must count as false under `not`.
        all.add_option(self.not.as_ref().map(|tree| Func::coalesce([tree.on(leaf).into(), Expr::cust("FALSE")]).not()))
    }

    /// Returns whether a row matches, where `leaf` decides the conditions on columns; `None` if only the database can decide.
    pub fn matches(&self, leaf: &impl Fn(&F) -> Option<bool>) -> Option<bool> {
        let Self { own, and, or: alternatives, not: negated } = self;
        let alternatives = alternatives.as_ref().map(|trees| any(trees.iter().map(|tree| tree.matches(leaf))));
        let negated = negated.as_ref().map(|tree| not(tree.matches(leaf)));
        let parts = std::iter::once_with(|| leaf(own)).chain(and.iter().map(|tree| tree.matches(leaf)));
        all(parts.chain(alternatives).chain(negated))
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, Text, Tree, all, any, not};

    const THREE: [Option<bool>; 3] = [Some(false), Some(true), None];

    #[test]
    fn unknown_parts_count_only_where_they_matter() {
        for part in THREE {
            assert_eq!(all([part, Some(false)]), Some(false));
            assert_eq!(all([part, Some(true)]), part);
            assert_eq!(any([part, Some(true)]), Some(true));
            assert_eq!(any([part, Some(false)]), part);
            assert_eq!(not(not(part)), part);
        }
        assert_eq!((all([]), any([]), not(None)), (Some(true), Some(false), None));
    }

    #[test]
    fn patterns_are_left_to_the_database() {
        let text = |like: &[&str], prefix: &str| Text {
            like: like.iter().map(ToString::to_string).collect(),
            starts_with: Some(prefix.to_owned()),
            ..Text::default()
        };
        assert_eq!(text(&[], "te").matches("test"), Some(true));
        assert_eq!(text(&["t%"], "te").matches("test"), None);
        assert_eq!(text(&["t%"], "x").matches("test"), Some(false));
        assert_eq!(Text::equals("a").matches("A"), Some(false));
    }

    #[test]
    fn trees_are_decided_as_far_as_leaves_are() {
        let is = |number: i64| Tree::from(Number { eq: Some(number), ..Number::default() });
        let leaf = |own: &Number<i64>| Some(own.matches(&1));
        let anything = || Tree::<Number<i64>>::default();
        assert_eq!(Tree { or: Some(vec![is(1), is(2)]), ..anything() }.matches(&leaf), Some(true));
        assert_eq!(Tree { or: Some(vec![]), ..anything() }.matches(&leaf), Some(false));
        assert_eq!(Tree { and: vec![is(1)], not: Some(Box::new(is(2))), ..anything() }.matches(&leaf), Some(true));
        let undecided = |own: &Number<i64>| if own.eq == Some(2) { None } else { leaf(own) };
        assert_eq!(Tree { not: Some(Box::new(is(2))), ..anything() }.matches(&undecided), None);
        assert_eq!(Tree { or: Some(vec![is(2), is(1)]), ..anything() }.matches(&undecided), Some(true));
    }
}
