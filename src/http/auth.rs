//! Credentials: basic (RFC 7617), from a URL too, and bearer (RFC 6750).

use http::HeaderValue;
use http::header::InvalidHeaderValue;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

/// The value of an Authorization field for a user name and a password.
pub(super) fn basic(user: &[u8], password: &[u8]) -> HeaderValue {
    let pair = [user, b":", password].concat();
    let text = format!("Basic {}", base64(&pair));
    let mut value = HeaderValue::try_from(text).expect("base64 is ASCII");
    value.set_sensitive(true);
    value
}

/// The value of an Authorization field for a token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of an Authorization field for the user name and password in `url`, if it has any; they are taken
/// out of it, so that nothing that shows the URL later shows them.
pub(super) fn take_userinfo(url: &mut Url) -> Option<HeaderValue> {
    if url[Position::BeforeUsername..Position::BeforeHost].is_empty() {
        return None;
    }
    let user: Vec<u8> = percent_decode_str(url.username()).collect();
    let password: Vec<u8> = percent_decode_str(url.password().unwrap_or_default()).collect();
    // Refused only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(basic(&user, &password))
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            if at <= group.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_userinfo_is_decoded_and_marked_sensitive() {
        let mut url = Url::parse("http://Aladdin:open%20sesame@example.org/").unwrap();
        let value = take_userinfo(&mut url).unwrap();
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive());
        assert_eq!(url.as_str(), "http://example.org/");
    }

    #[test]
    fn a_url_without_userinfo_has_none() {
        let mut url = Url::parse("http://example.org/").unwrap();
        assert_eq!(take_userinfo(&mut url), None);
    }
}
