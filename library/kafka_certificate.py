#!/usr/bin/python
"""Ansible module: the certificate of one Kafka node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_certificate
short_description: Check, request, sign and install the certificate of a Kafka node
description:
  - C(state=requested), on the node, compares the certificate with what it should be and brings the trust store (C(ca.crt))
    up to date. When a new certificate is needed it makes a key and returns its signing request. CAs that were trusted before
    stay trusted until they expire, so that a change of the CA does not cut a running cluster in two.
  - C(state=signed), on the control machine, signs the request with the CA's key.
  - C(state=installed), on the node, writes C(keystore.pem) (key and certificate). The key never leaves the node.
options:
  state: {description: The step., type: str, choices: [requested, signed, installed], default: requested}
  directory: {description: Folder of the files on the node., type: path, default: /etc/kafka/tls}
  ca_certificate: {description: The CA's certificate (PEM)., type: str, required: true}
  ca_private_key: {description: The CA's key (PEM); C(state=signed)., type: str}
  request: {description: The signing request; C(state=signed)., type: str}
  certificate: {description: The signed certificate; C(state=installed)., type: str}
  dns_names: {description: Names of the node; the first is the common name., type: list, elements: str, required: true}
  addresses: {description: Its addresses., type: list, elements: str, default: []}
  organization: {description: Organization., type: str, default: groundwork}
  unit: {description: Organizational unit; maps to the super user., type: str, default: kafka-node}
  group: {description: Group that may read the files., type: str, default: kafka}
  days: {description: Life of a certificate., type: int, default: 365}
  renew_before_days: {description: A certificate with fewer days left is made anew., type: int, default: 30}
attributes:
  check_mode: {support: full, description: "Says whether a certificate is needed and why; makes no key."}
requirements: [cryptography]
author: Groundwork
"""

EXAMPLES = r"""
- name: Check the node's certificate
  kafka_certificate:
    ca_certificate: "{{ ca.certificate }}"
    dns_names: [kafka-1.prod.internal]
    addresses: [10.0.48.11]
  register: wanted

- name: Sign it
  kafka_certificate:
    state: signed
    request: "{{ wanted.request }}"
    ca_certificate: "{{ ca.certificate }}"
    ca_private_key: "{{ ca.private_key }}"
    dns_names: [kafka-1.prod.internal]
    addresses: [10.0.48.11]
  delegate_to: localhost
  when: wanted.needed
"""

RETURN = r"""
needed: {description: Whether a new certificate is needed., type: bool, returned: "state=requested"}
reasons: {description: Why., type: list, elements: str, returned: "state=requested"}
request: {description: Signing request (PEM)., type: str, returned: "state=requested, when needed and not in check mode"}
not_after: {description: End of the present certificate., type: str, returned: "state=requested"}
fingerprint: {description: SHA-256 of the present certificate., type: str, returned: "state=requested, installed"}
trust_changed: {description: Whether the trust store was (would be) changed., type: bool, returned: "state=requested"}
trusted: {description: SHA-256 of the CAs that are trusted., type: list, elements: str, returned: "state=requested"}
certificate: {description: The signed certificate (PEM)., type: str, returned: "state=signed"}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import certs

PENDING = ".pending.key"


def requested(module: AnsibleModule) -> None:
    p = module.params
    directory = Path(p["directory"])
    found = certs.inspect_node(
        directory,
        p["ca_certificate"],
        dns_names=p["dns_names"],
        addresses=p["addresses"],
        renew_before_days=p["renew_before_days"],
        organization=p["organization"],
        unit=p["unit"],
    )
    result = {
        "needed": not found.valid,
        "reasons": found.reasons,
        "not_after": found.not_after,
        "fingerprint": found.fingerprint,
        "trust_changed": found.trust_changed,
        "trusted": found.trusted,
    }
    if not module.check_mode:
        if found.trust_changed:
            certs.write_file(directory / "ca.crt", found.bundle, p["group"], 0o644)
        if not found.valid:
            key, result["request"] = certs.make_request(p["dns_names"], p["addresses"], p["organization"], p["unit"])
            certs.write_file(directory / PENDING, key, "root", 0o600)
    module.exit_json(changed=found.trust_changed or not found.valid, **result)


def signed(module: AnsibleModule) -> None:
    p = module.params
    certificate = certs.sign_request(
        p["request"],
        p["ca_certificate"],
        p["ca_private_key"],
        dns_names=p["dns_names"],
        addresses=p["addresses"],
        days=p["days"],
    )
    module.exit_json(changed=True, certificate=certificate)


def installed(module: AnsibleModule) -> None:
    p = module.params
    directory = Path(p["directory"])
    pending = directory / PENDING
    if not module.check_mode:
        if not pending.is_file():
            module.fail_json(msg=f"{pending} is missing: the certificate's key was not made here. Run the role again.")
        certs.write_file(
            directory / "keystore.pem", pending.read_text(encoding="ascii") + p["certificate"], p["group"], 0o640
        )
        pending.unlink()
        found = certs.inspect_node(
            directory,
            p["ca_certificate"],
            dns_names=p["dns_names"],
            addresses=p["addresses"],
            renew_before_days=0,
            organization=p["organization"],
            unit=p["unit"],
        )
        if not found.valid:
            module.fail_json(msg=f"the new certificate in {directory} is not usable: {', '.join(found.reasons)}")
        module.exit_json(changed=True, fingerprint=found.fingerprint, not_after=found.not_after)
    module.exit_json(changed=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["requested", "signed", "installed"], "default": "requested"},
            "directory": {"type": "path", "default": "/etc/kafka/tls"},
            "ca_certificate": {"type": "str", "required": True},
            "ca_private_key": {"type": "str", "no_log": True},
            "request": {"type": "str"},
            "certificate": {"type": "str"},
            "dns_names": {"type": "list", "elements": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "organization": {"type": "str", "default": "groundwork"},
            "unit": {"type": "str", "default": "kafka-node"},
            "group": {"type": "str", "default": "kafka"},
            "days": {"type": "int", "default": 365},
            "renew_before_days": {"type": "int", "default": 30},
        },
        required_if=[("state", "signed", ["ca_private_key", "request"]), ("state", "installed", ["certificate"])],
        supports_check_mode=True,
    )
    try:
        {"requested": requested, "signed": signed, "installed": installed}[module.params["state"]](module)
    except (certs.CertificateError, OSError, KeyError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
