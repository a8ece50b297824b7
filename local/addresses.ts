/**
 * The embedded cluster's addresses. All of them live in a network namespace of its own, so that no
 * port of the machine is taken and no packet-filter rule of the machine is touched; one veth pair
 * connects the two.
 */
export const addresses = {
  /** The machine's end of the veth pair. */
  host: "10.243.0.254",
  /** The node: API server, kubelet, CoreDNS and NodePort Services answer here. */
  node: "10.243.0.1",
  nodeNetwork: "10.243.0.0/24",
  pods: "10.244.0.0/24",
  services: "10.96.0.0/16",
  apiService: "10.96.0.1",
  dnsService: "10.96.0.10",
} as const;

export const nodeName = "local";
export const apiServer = `https://${addresses.node}:6443`;
