import { describeLane } from './describe-lane.ts';

describeLane(1);
