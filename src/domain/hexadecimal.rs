//! Bytes in digits that a person can read and copy.

/// Two lowercase digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |of: u8| char::from_digit(u32::from(of), 16).expect("four bits are a digit of sixteen");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(hexadecimal(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
        assert_eq!(hexadecimal(&[]), "");
    }
}
