//! Circles of a graph (strongly connected components), the arrows that lead up, and the floors (layers).

use std::collections::BTreeSet;

/// Up to so many files the order of a circle is the best there is; in a larger one files are moved until no move helps.
const MAX_EXACT: usize = 16;

/// How a graph stands.
pub struct Layers {
    /// The nodes, from the ground upwards.
    pub order: Vec<usize>,
    /// Those of two nodes or more.
    pub circles: Vec<Vec<usize>>,
    pub upward: Vec<(usize, usize)>,
    /// The length of the longest way down over the arrows that do not lead up.
    pub floors: usize,
}

/// Layers these nodes. Arrows between circles lead down by nature; inside each circle the nodes stand in the order in which the
/// fewest arrows lead up.
pub fn layers(nodes: &[usize], arrows: &BTreeSet<(usize, usize)>) -> Layers {
    let inside: BTreeSet<_> =
        arrows.iter().filter(|(from, to)| nodes.contains(from) && nodes.contains(to)).copied().collect();
    let components = components(nodes, &inside);
    let order: Vec<usize> = components.iter().flat_map(|component| order(component, &inside)).collect();
    let place = |node: &usize| order.iter().position(|other| other == node);
    let upward: Vec<_> = inside.iter().filter(|(from, to)| place(from) < place(to)).copied().collect();
    let mut heights = vec![1; order.len()];
    for (at, node) in order.iter().enumerate() {
        let below = (0..at).filter(|lower| inside.contains(&(*node, order[*lower])));
        heights[at] = below.map(|lower| heights[lower] + 1).max().unwrap_or(1);
    }
    let circles = components.into_iter().filter(|component| component.len() > 1).collect();
    Layers { order, circles, upward, floors: heights.into_iter().max().unwrap_or_default() }
}

/// The strongly connected components, those that import nothing of the others first (Tarjan).
fn components(nodes: &[usize], arrows: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let size = nodes.iter().max().map_or(0, |last| last + 1);
    let mut tarjan = Tarjan { arrows, index: vec![0; size], low: vec![0; size], next: 1, stack: vec![], found: vec![] };
    for node in nodes {
        if tarjan.index[*node] == 0 {
            tarjan.visit(*node);
        }
    }
    tarjan.found
}

struct Tarjan<'a> {
    arrows: &'a BTreeSet<(usize, usize)>,
    index: Vec<usize>,
    low: Vec<usize>,
    next: usize,
    stack: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Tarjan<'_> {
    fn visit(&mut self, node: usize) {
        (self.index[node], self.low[node]) = (self.next, self.next);
        self.next += 1;
        self.stack.push(node);
        for (_, to) in self.arrows.range((node, 0)..(node + 1, 0)) {
            if self.index[*to] == 0 {
                self.visit(*to);
                self.low[node] = self.low[node].min(self.low[*to]);
            } else if self.stack.contains(to) {
                self.low[node] = self.low[node].min(self.index[*to]);
            }
        }
        if self.low[node] == self.index[node] {
            let start = self.stack.iter().position(|other| *other == node).unwrap();
            let mut component = self.stack.split_off(start);
            component.sort_unstable();
            self.found.push(component);
        }
    }
}

/// A circle from the ground upwards, so that the fewest arrows lead up.
fn order(circle: &[usize], arrows: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    if circle.len() <= MAX_EXACT { best_order(circle, arrows) } else { good_order(circle, arrows) }
}

/// Over all sets of nodes, smallest first: the fewest upward arrows with such a set at the ground.
fn best_order(circle: &[usize], arrows: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let sets = 1_usize << circle.len();
    let importers: Vec<usize> = circle
        .iter()
        .map(|to| (0..circle.len()).filter(|from| arrows.contains(&(circle[*from], *to))).map(|from| 1 << from).sum())
        .collect();
    let mut fewest = vec![(u32::MAX, 0); sets];
    fewest[0].0 = 0;
    for set in 0..sets {
        for (node, of) in importers.iter().enumerate().filter(|(node, _)| set & (1 << node) == 0) {
            let cost = fewest[set].0 + (of & set).count_ones();
            let with = &mut fewest[set | (1 << node)];
            *with = (*with).min((cost, node));
        }
    }
    let mut set = sets - 1;
    let mut downwards = Vec::new();
    while set > 0 {
        let top = fewest[set].1;
        downwards.push(circle[top]);
        set -= 1 << top;
    }
    downwards.into_iter().rev().collect()
}

/// Moves one node at a time to where the fewest arrows lead up.
fn good_order(circle: &[usize], arrows: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut order = circle.to_vec();
    let up = |lower: usize, upper: usize| usize::from(arrows.contains(&(lower, upper)));
    loop {
        let mut has_moved = false;
        for node in circle {
            let from = order.iter().position(|other| other == node).unwrap();
            order.remove(from);
            // At the ground, every arrow of the node leads up.
            let mut cost: usize = order.iter().map(|upper| up(*node, *upper)).sum();
            let mut costs = vec![cost];
            for passed in &order {
                cost = cost + up(*passed, *node) - up(*node, *passed);
                costs.push(cost);
            }
            let best = (0..costs.len()).min_by_key(|place| (costs[*place], *place)).unwrap();
            let place = if costs[best] < costs[from] { best } else { from };
            has_moved |= place != from;
            order.insert(place, *node);
        }
        if !has_moved {
            return order;
        }
    }
}

#[test]
fn circles_floors_and_upward_arrows_are_counted() {
    // 0 imports 1, 1 and 2 import each other, both import 3; 4 stands apart; 5, 6 and 7 go round, with one short cut.
    let arrows = [(0, 1), (1, 2), (2, 1), (1, 3), (2, 3), (5, 6), (6, 7), (7, 5), (5, 7)].into();
    let found = layers(&[0, 1, 2, 3, 4, 5, 6, 7], &arrows);
    assert_eq!(found.circles, [vec![1, 2], vec![5, 6, 7]]);
    assert_eq!((found.upward.len(), found.floors), (2, 4));
    for circle in [&[1, 2][..], &[5, 6, 7]] {
        let up = |order: &[usize]| layers(order, &arrows).upward.len();
        assert_eq!(up(&best_order(circle, &arrows)), up(&good_order(circle, &arrows)));
    }
}
