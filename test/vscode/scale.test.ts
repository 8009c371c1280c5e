import { hostSuite } from './harness/host';

hostSuite('A large cluster', ['host/scale.ts']);
