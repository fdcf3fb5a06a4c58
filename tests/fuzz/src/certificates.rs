//! Certificates, as servers that nobody knows show them.

use std::cmp::Ordering;

use crate::sandbox::Certificate;

/// A certificate is read whole or not at all: nothing of it is missing, nothing follows it, and its parts lie where they should.
pub fn certificate(data: &[u8]) {
    let Some(certificate) = Certificate::parse(data) else {
        return;
    };
    assert!(Certificate::parse(&data[..data.len() - 1]).is_none(), "half a certificate is none");
    assert!(Certificate::parse(&[data, &[0]].concat()).is_none(), "more than a certificate is none");
    let within = |part: &[u8], whole: &[u8]| {
        let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
        whole.start <= part.start && part.end <= whole.end
    };
    assert!(within(certificate.signed, data) && within(certificate.signature, data));
    for part in [certificate.issuer, certificate.subject, certificate.key_info] {
        assert!(within(part, certificate.signed), "a part that is not signed");
    }
    assert!(within(certificate.key_algorithm, certificate.key_info) && within(certificate.key, certificate.key_info));
    assert!(certificate.common_name().is_none_or(|name| within(name.as_bytes(), certificate.subject)));
    if certificate.not_before <= certificate.not_after {
        assert_eq!(certificate.validity_at(certificate.not_before), Ordering::Equal);
        assert_eq!(certificate.validity_at(certificate.not_after), Ordering::Equal);
    }
    // What says what a certificate is for came with its third version.
    let says_more = certificate.bounds_names() || certificate.lists_names();
    assert!(!(certificate.is_first_version && says_more), "version 1 with extensions");
    if certificate.is_first_version {
        assert_eq!(certificate.may_sign(), certificate.subject == certificate.issuer, "it says nothing else");
    }
}
