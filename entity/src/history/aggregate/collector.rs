//! Values by group, in memory that grows with their number alone.

/// Number of values in a block.
const BLOCK: usize = 32;
/// Bytes of a block.
pub(crate) const BLOCK_BYTES: u64 = (BLOCK * size_of::<i64>()) as u64;
/// Number of blocks that are allocated at once.
const BLOCKS: usize = 1024;
/// No block.
const NONE: u32 = u32::MAX;

/// The end of a group's list of blocks.
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// Its last block.
    block: u32,
    /// Number of its values.
    count: u32,
}

/// The values of each group, in lists of blocks.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    tails: Vec<Tail>,
    /// The block before each block of the same group.
    before: Vec<u32>,
    blocks: Vec<Box<[[i64; BLOCK]]>>,
}

impl Collector {
    /// How its memory for values grows, in bytes.
    pub(crate) const STEP: u64 = BLOCKS as u64 * BLOCK_BYTES;

    /// Creates a collector for this many groups.
    pub(crate) fn new(groups: usize) -> Self {
        Self { tails: vec![Tail { block: NONE, count: 0 }; groups], ..Self::default() }
    }

    /// Adds a value to a group.
    #[inline]
    pub(crate) fn add(&mut self, group: usize, value: i64) {
        let tail = &mut self.tails[group];
        let at = tail.count as usize % BLOCK;
        if at == 0 {
            let block = self.before.len();
            if block.is_multiple_of(BLOCKS) {
                self.blocks.push(vec![[0; BLOCK]; BLOCKS].into_boxed_slice());
            }
            self.before.push(tail.block);
            tail.block = u32::try_from(block).unwrap_or(NONE);
        }
        tail.count += 1;
        self.blocks[tail.block as usize / BLOCKS][tail.block as usize % BLOCKS][at] = value;
    }

    /// Returns its memory for values, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.len() as u64 * Self::STEP
    }

    /// Adds the values of a group to `values`.
    pub(crate) fn append(&self, group: usize, values: &mut Vec<i64>) {
        let Tail { mut block, count } = self.tails[group];
        let mut filled = match count as usize % BLOCK {
            0 => BLOCK,
            filled => filled,
        };
        while block != NONE {
            values.extend_from_slice(&self.blocks[block as usize / BLOCKS][block as usize % BLOCKS][..filled]);
            block = self.before[block as usize];
            filled = BLOCK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, BLOCKS, Collector};

    #[test]
    fn each_group_gets_its_values_back() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK * BLOCKS + 5] {
            let mut collector = Collector::new(4);
            let mut expected: [Vec<i64>; 4] = Default::default();
            for (value, index) in (0_i64..).zip(0..len) {
                let group = (index * index) % 3;
                collector.add(group, value);
                expected[group].push(value);
            }
            for (group, expected) in expected.into_iter().enumerate() {
                let mut values = Vec::new();
                collector.append(group, &mut values);
                values.sort_unstable();
                assert_eq!(values, expected, "{len} values, group {group}");
            }
        }
    }
}
