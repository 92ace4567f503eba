#!/usr/bin/python
"""Ansible module: the certificate of one Kafka node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kafka_certificate
short_description: Check, request, sign and install the certificate of a Kafka node
description:
  - C(state=requested), on the node, compares the certificate with what it should be and brings the trust store (C(ca.crt))
    up to date. When a new certificate is needed it makes a key and returns its signing request. CAs that were trusted before
    stay trusted until they expire, so that a change of the CA does not cut a running cluster in two. A certificate in
    O(supplied) is checked and compared instead; nothing is made.
  - C(state=signed), on the control machine, signs the request with the CA's key.
  - C(state=installed), on the node, writes C(keystore.pem) (key and certificate). The key never leaves the node, unless it was O(supplied).
  - C(state=served), on the node, waits until its listeners show the installed certificate.
options:
  state: {description: The step., type: str, choices: [requested, signed, installed, served], default: requested}
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
  trust: {description: "Certificates (PEM) of CAs that are trusted too (C(requested)).", type: list, elements: str, default: []}
  trust_only: {description: "Trust no CA but O(ca_certificate) and O(trust); earlier ones are dropped.", type: bool, default: false}
  supplied:
    description: Key and certificate made by a CA of somebody else (C(requested), C(installed)).
    type: dict
    suboptions:
      certificate: {description: "The certificate, its intermediates behind it (PEM).", type: str, required: true}
      private_key: {description: "Its key (PEM, PKCS#8, not encrypted).", type: str, required: true}
  force: {description: "Make a new certificate although nothing is wrong with the present one (C(requested)).", type: bool, default: false}
  listeners: {description: "HOST:PORT that must show the certificate (C(served)).", type: list, elements: str, default: []}
  wait: {description: "Seconds until they do (C(served)).", type: float, default: 30.0}
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
request: {description: Signing request (PEM)., type: str, returned: "state=requested, when needed; in check mode its key is thrown away"}
not_after: {description: End of the present certificate., type: str, returned: "state=requested"}
fingerprint: {description: SHA-256 of the present certificate., type: str, returned: "state=requested, installed"}
trust_changed: {description: Whether the trust store was (would be) changed., type: bool, returned: "state=requested"}
trusted: {description: SHA-256 of the CAs that are trusted., type: list, elements: str, returned: "state=requested"}
certificate: {description: The signed certificate (PEM)., type: str, returned: "state=signed"}
"""

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.groundwork.kafka import certs

PENDING = ".pending.key"


def supplied(module: AnsibleModule) -> str:
    """What keystore.pem is to hold when the certificate comes from elsewhere; empty when it is made here."""
    p = module.params
    if not p["supplied"]:
        return ""
    names = {key: p[key] for key in ("dns_names", "addresses", "organization", "unit")}
    keystore, days = certs.check_supplied(p["supplied"], p["ca_certificate"], **names)
    if days < p["renew_before_days"]:
        module.warn(
            f"the supplied certificate of {p['dns_names'][0]} ends in {days} days: put a new one into its secret"
        )
    return keystore


def requested(module: AnsibleModule) -> None:
    p = module.params
    directory = Path(p["directory"])
    other = supplied(module)
    found = certs.inspect_node(
        directory,
        p["ca_certificate"],
        dns_names=p["dns_names"],
        addresses=p["addresses"],
        renew_before_days=p["renew_before_days"],
        organization=p["organization"],
        unit=p["unit"],
        also=p["trust"],
        only=p["trust_only"],
        supplied=other,
    )
    needed = p["force"] or not found.valid
    result = {
        "needed": needed,
        "reasons": found.reasons or (["asked for"] if p["force"] else []),
        "not_after": found.not_after,
        "fingerprint": found.fingerprint,
        "trust_changed": found.trust_changed,
        "trusted": found.trusted,
    }
    if found.trust_changed and not module.check_mode:
        certs.write_file(directory / "ca.crt", found.bundle, p["group"], 0o644)
    if needed and not other:
        # In check mode the key is thrown away: the request lets the steps after it be foreseen.
        key, result["request"] = certs.make_request(p["dns_names"], p["addresses"], p["organization"], p["unit"])
        if not module.check_mode:
            certs.write_file(directory / PENDING, key, "root", 0o600)
    module.exit_json(changed=found.trust_changed or needed, **result)


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
    other = supplied(module)
    if not other and not p["certificate"]:
        module.fail_json(msg="state=installed needs certificate or supplied")
    if not module.check_mode:
        if not other and not pending.is_file():
            module.fail_json(msg=f"{pending} is missing: the certificate's key was not made here. Run the role again.")
        keystore = other or pending.read_text(encoding="ascii") + p["certificate"]
        certs.write_file(directory / "keystore.pem", keystore, p["group"], 0o640)
        pending.unlink(missing_ok=True)
        found = certs.inspect_node(
            directory,
            p["ca_certificate"],
            dns_names=p["dns_names"],
            addresses=p["addresses"],
            renew_before_days=0,
            organization=p["organization"],
            unit=p["unit"],
            supplied=other,
        )
        if not found.valid:
            module.fail_json(msg=f"the new certificate in {directory} is not usable: {', '.join(found.reasons)}")
        module.exit_json(changed=True, fingerprint=found.fingerprint, not_after=found.not_after)
    module.exit_json(changed=True, **certs.described(other or p["certificate"]))


def served(module: AnsibleModule) -> None:
    p = module.params
    directory = Path(p["directory"])
    found = certs.inspect_node(
        directory,
        p["ca_certificate"],
        dns_names=p["dns_names"],
        addresses=p["addresses"],
        renew_before_days=0,
        organization=p["organization"],
        unit=p["unit"],
    )
    deadline = time.monotonic() + p["wait"]
    while True:
        shown = {address: certs.served_fingerprint(address, directory) for address in p["listeners"]}
        others = sorted(address for address, fingerprint in shown.items() if fingerprint != found.fingerprint)
        if not others:
            module.exit_json(changed=False, fingerprint=found.fingerprint, not_after=found.not_after)
        if time.monotonic() > deadline:
            module.fail_json(
                msg=f"{', '.join(others)} still shows another certificate than {directory}/keystore.pem after {p['wait']:.0f} s: "
                "see journalctl -u kafka, or restart the node (playbooks/breakglass/kafka_restart.yml)"
            )
        time.sleep(0.5)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["requested", "signed", "installed", "served"], "default": "requested"},
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
            "trust": {"type": "list", "elements": "str", "default": []},
            "trust_only": {"type": "bool", "default": False},
            "supplied": {
                "type": "dict",
                "options": {
                    "certificate": {"type": "str", "required": True},
                    "private_key": {"type": "str", "required": True, "no_log": True},
                },
            },
            "force": {"type": "bool", "default": False},
            "listeners": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "float", "default": 30.0},
        },
        required_if=[("state", "signed", ["ca_private_key", "request"])],
        supports_check_mode=True,
    )
    try:
        {"requested": requested, "signed": signed, "installed": installed, "served": served}[module.params["state"]](
            module
        )
    except (certs.CertificateError, OSError, KeyError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
