//! Numbers that are written with a fixed count of digits.

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The last two digits.
#[inline]
pub fn two(number: u32) -> [u8; 2] {
    PAIRS[(number % 100) as usize]
}

/// The last four digits.
#[inline]
pub fn four(number: u32) -> [u8; 4] {
    let [thousands, hundreds] = two(number / 100);
    let [tens, ones] = two(number);
    [thousands, hundreds, tens, ones]
}

/// The last six digits.
#[inline]
pub fn six(number: u32) -> [u8; 6] {
    let [d1, d2] = two(number / 10_000);
    let [d3, d4, d5, d6] = four(number);
    [d1, d2, d3, d4, d5, d6]
}
