//! A set of keys of one table. Keys count up from 1, so a bit for each costs little.

/// A set of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeySet {
    least: i64,
    bits: Vec<u64>,
    len: usize,
}

impl KeySet {
    /// Returns the word of `key` in `bits`, and its bit in that word.
    fn place(&self, key: i64) -> Option<(usize, u32)> {
        let bit = u64::try_from(key.checked_sub(self.least)?).ok()?;
        Some((usize::try_from(bit / 64).ok()?, u32::try_from(bit % 64).ok()?))
    }

    /// Returns whether `key` is in the set.
    pub(crate) fn contains(&self, key: i64) -> bool {
        self.place(key).is_some_and(|(word, bit)| self.bits.get(word).is_some_and(|bits| bits >> bit & 1 == 1))
    }

    /// Returns the number of keys.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the key, if it is the only one.
    pub(crate) fn single(&self) -> Option<i64> {
        (self.len == 1).then(|| self.iter().next()).flatten()
    }

    /// Returns whether a key from `least` to `greatest` is in the set.
    pub(crate) fn overlaps(&self, least: i64, greatest: i64) -> bool {
        if least == greatest {
            return self.contains(least);
        }
        let Some(top) = self.bits.len().checked_sub(1) else { return false };
        let Some((first, from)) = self.place(least.max(self.least)).filter(|(first, _)| *first <= top) else {
            return false;
        };
        let Some((end, to)) = self.place(greatest) else { return false };
        let (end, to) = if end > top { (top, 63) } else { (end, to) };
        (first..=end).any(|word| {
            let above = if word == first { u64::MAX << from } else { u64::MAX };
            let below = if word == end { u64::MAX >> (63 - to) } else { u64::MAX };
            self.bits[word] & above & below != 0
        })
    }

    /// Returns the keys in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        let words = self.bits.iter().zip((self.least..).step_by(64));
        words.flat_map(|(word, first)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit))
    }
}

impl FromIterator<i64> for KeySet {
    fn from_iter<I: IntoIterator<Item = i64>>(keys: I) -> Self {
        let keys: Vec<i64> = keys.into_iter().collect();
        let mut set = Self { least: keys.iter().copied().min().unwrap_or_default(), ..Self::default() };
        for (word, bit) in keys.iter().filter_map(|key| set.place(*key)).collect::<Vec<_>>() {
            if set.bits.len() <= word {
                set.bits.resize(word + 1, 0);
            }
            set.len += usize::from(set.bits[word] >> bit & 1 == 0);
            set.bits[word] |= 1 << bit;
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::KeySet;

    #[test]
    fn a_set_has_its_keys_and_no_others() {
        let keys = [100, 7, 9, 15, 16, 7];
        let set: KeySet = keys.into_iter().collect();
        assert_eq!((set.iter().collect::<Vec<_>>(), set.len()), (vec![7, 9, 15, 16, 100], 5));
        for key in -1..200 {
            assert_eq!(set.contains(key), keys.contains(&key), "{key}");
        }
        assert!(!set.contains(i64::MIN) && !set.contains(i64::MAX));
        assert!(set.overlaps(0, 7) && set.overlaps(17, 100) && set.overlaps(9, 9));
        assert!(!set.overlaps(17, 99) && !set.overlaps(0, 6) && !set.overlaps(101, i64::MAX));
        for least in -2..200 {
            for greatest in least..200 {
                let expected = keys.iter().any(|key| (least..=greatest).contains(key));
                assert_eq!(set.overlaps(least, greatest), expected, "{least} to {greatest}");
            }
        }
        assert!(set.overlaps(i64::MIN, i64::MAX));
        let none = KeySet::default();
        assert!(!none.contains(0) && !none.overlaps(i64::MIN, i64::MAX) && none.iter().next().is_none());
    }
}
